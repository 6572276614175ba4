/**
 * @module onnx/lower/cuda/layout
 * The layout pass: feature maps (B, C, H, W) become (B, H, W, C), channels-last, as tensor cores want them. A value is turned
 * only where a node needs it in the other layout; from the first convolution to the last one none does, since a feature map
 * (B, C, N) that is turned to tokens (B, N, C) is those tokens already.
 *
 * Letters: B batch, C channels, H and W sides, N = H·W.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { type WrittenValues, rebuild } from "../../rebuild.ts";
import { intOf, intsOf } from "../../shapes.ts";
import type { Pass } from "../lower.ts";

export const channelsLastLayout: Pass = {
  name: "layout",
  run: (graph) =>
    rebuild(graph, (g, values) => {
      const layout = new Layout(g, values);
      return { visit: (node) => layout.visit(node), result: (value) => layout.channelsFirst(value) };
    }),
};

/** Operations that work on each number by itself. */
const UNARY: ReadonlySet<string> = new Set(["Silu", "Gelu", "LeakyRelu", "Sqrt", "Tanh", "Sigmoid", "Cast"]);
const BINARY: ReadonlySet<string> = new Set(["Add", "Sub", "Mul", "Div"]);
/** Operations on feature maps, by the name that they have channels-last. */
const ON_MAPS: Readonly<Record<string, string>> = {
  Conv: "ConvNhwc",
  AveragePool: "AveragePoolNhwc",
  UpsampleNearest: "UpsampleNearestNhwc",
  GroupNorm: "GroupNormNhwc",
};

class Layout {
  readonly #g: GraphBuilder;
  readonly #first: WrittenValues;
  readonly #last = new Map<string, Value>();

  constructor(g: GraphBuilder, values: WrittenValues) {
    this.#g = g;
    this.#first = values;
  }

  visit(node: Node): void {
    const { op, output } = node;
    const made = this.#onChannelsLast(node);
    if (made) {
      this.#last.set(output.name, made);
      return;
    }
    if (op === "Transpose" && this.#isTurn(node)) {
      const [x] = node.inputs;
      if (x && this.#last.has(x.name)) this.#first.set(output, this.channelsLast(x));
      else if (x) this.#last.set(output.name, this.channelsFirst(x));
      return;
    }
    const inputs = node.inputs.map((value) => value && this.channelsFirst(value));
    this.#first.set(output, this.#g.op(op, inputs, node.attributes));
  }

  /** (B, C, N) <-> (B, N, C) */
  #isTurn({ inputs: [x], attributes }: Node): boolean {
    return x?.shape.length === 3 && intsOf(attributes, "perm").join() === "0,2,1";
  }

  /** @returns undefined: the node is one for the layout that the network has. */
  #onChannelsLast(node: Node): Value | undefined {
    const { op, inputs, attributes, output } = node;
    const [x, ...others] = inputs;
    if (!x) return undefined;
    const onMaps = ON_MAPS[op];
    if (onMaps && (x.shape.length === 4 || this.#isLast(x))) {
      const rest = others.map((value) => value && this.channelsFirst(value)); // weights and biases
      return this.#g.op(onMaps, [this.channelsLast(x), ...rest], attributes);
    }
    if (op === "Reshape") return this.#reshape(x, output.shape);
    if (!inputs.some((value) => value && this.#isLast(value))) return undefined;
    if (UNARY.has(op) || op === "RepeatBatch") return this.#g.op(op, [this.channelsLast(x)], attributes);
    if (BINARY.has(op)) return this.#binary(node);
    if (op === "Concat" && intOf(attributes, "axis") === 1) {
      const parts = inputs.map((value) => value && this.channelsLast(value));
      return this.#g.op(op, parts, { axis: ops.int(output.shape.length - 1) });
    }
    return undefined;
  }

  #isLast({ name }: Value): boolean {
    return this.#last.has(name);
  }

  /** (B, C, H, W) <-> (B, C, N), and what is the same for all pixels: (B, C) -> (B, C, 1, 1). */
  #reshape(x: Value, shape: readonly number[]): Value | undefined {
    const [batch = 0, channels = 0, ...sides] = shape;
    const isSpread = x.shape.length === 2 && sides.length === 2 && x.shape.join() === [batch, channels].join();
    if (isSpread) return ops.reshape(this.#g, this.channelsFirst(x), [batch, 1, 1, channels]);
    const sameChannels = x.shape[0] === batch && x.shape[1] === channels && sides.length > 0 && x.shape.length > 2;
    if (!sameChannels || !this.#isLast(x)) return undefined;
    return ops.reshape(this.#g, this.channelsLast(x), [batch, ...sides, channels]);
  }

  #binary({ op, inputs, output, attributes }: Node): Value | undefined {
    const rank = output.shape.length;
    if (!inputs.every((value) => value && (value.shape.length === rank || value.shape.length === 0))) return undefined;
    const operands = inputs.map((value) =>
      value!.shape.length === 0 ? this.channelsFirst(value!) : this.channelsLast(value!),
    );
    return this.#g.op(op, operands, attributes);
  }

  /** The value as the network has it. */
  channelsFirst(value: Value): Value {
    if (this.#first.has(value)) return this.#first.of(value);
    const last = this.#last.get(value.name);
    if (!last) throw new Error(`${value.name} is not made yet`);
    const turned = ops.transpose(this.#g, last, last.shape.length === 4 ? [0, 3, 1, 2] : [0, 2, 1]);
    this.#first.set(value, turned);
    return turned;
  }

  /** The same with its channels last. */
  channelsLast(value: Value): Value {
    const existing = this.#last.get(value.name);
    if (existing) return existing;
    const first = this.channelsFirst(value);
    const turned = ops.transpose(this.#g, first, first.shape.length === 4 ? [0, 2, 3, 1] : [0, 2, 1]);
    this.#last.set(value.name, turned);
    return turned;
  }
}
