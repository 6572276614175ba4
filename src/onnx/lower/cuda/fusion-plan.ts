/**
 * @module onnx/lower/cuda/fusion-plan
 * Decides which of a network's operations are taken together (onnx/lower/cuda/fuse), from who reads what.
 */

import { elementCount } from "../../../math/tensor.ts";
import type { Graph, Node, Value } from "../../graph.ts";
import { intOf, textOf } from "../../shapes.ts";

/** Sums of fewer numbers leave biases to the layers: BiasAdd takes three reshapes with it, each the CPU's time. */
const BIAS_ADD_FROM = 2 ** 23;

/** A layer whose bias is added later, and the bias. */
export interface BiasSource {
  readonly layer: Node;
  readonly bias: Value;
}

/** A sum that is made with the norm that follows, or with biases alone. */
export interface PlannedSum {
  readonly norm?: Node;
  /** Is the sum read by others than that norm? */
  readonly isRead: boolean;
  readonly biases: readonly BiasSource[];
  /** The sum is divided by this before the norm, which makes no difference to it but for its ε: 1 if it is not. */
  readonly divisor: number;
}

/** Some features of a linear layer, cut out; the GELU that alone reads them. */
interface Rows {
  readonly layer: Node;
  readonly from: number;
  readonly to: number;
  readonly gelu?: Node;
}

export class FusionPlan {
  /** SiLU that a group norm takes, by the norm. */
  readonly activations = new Map<Node, Node>();
  /** Sums that are not made alone. */
  readonly sums = new Map<Node, PlannedSum>();
  /** Group norms that add the bias of the layer before. */
  readonly normBiases = new Map<Node, BiasSource>();
  /** Layers whose bias is added elsewhere. */
  readonly withoutBias = new Set<Node>();
  /** Linear layers of which only slices are read: each slice is a layer of its own. */
  readonly replaced = new Set<Node>();
  /** Those slices. */
  readonly rows = new Map<Node, Rows>();

  /** Slices that are parts of a value of which all is taken. */
  readonly parts = new Set<Node>();

  readonly #producers: ReadonlyMap<string, Node>;
  readonly #readers = new Map<string, Node[]>();
  readonly #parameters: ReadonlySet<string>;
  /** Constants that are one number. */
  readonly #numbers: ReadonlyMap<string, number>;

  constructor(graph: Graph) {
    this.#producers = new Map(graph.nodes.map((node) => [node.output.name, node]));
    this.#numbers = new Map(
      graph.constants.flatMap(({ value, data }) =>
        value.dtype === "float32" && value.shape.length === 0 ? [[value.name, Number(data[0])] as const] : [],
      ),
    );
    this.#parameters = new Set(graph.parameters.map(({ value }) => value.name));
    for (const node of graph.nodes) {
      for (const name of new Set(node.inputs.map((value) => value?.name))) {
        if (name === undefined) continue;
        const readers = this.#readers.get(name);
        if (readers) readers.push(node);
        else this.#readers.set(name, [node]);
      }
    }
    for (const node of graph.nodes) {
      if (node.op === "GroupNormNhwc") this.#planGroupNorm(node);
      if (node.op === "LayerNorm") this.#planSum(node);
      if (node.op === "Slice" && !this.#planRows(node)) this.#planParts(node);
    }
    for (const node of graph.nodes) {
      if (elementCount(node.output.shape) >= BIAS_ADD_FROM) this.#planBiasAdd(node);
    }
  }

  #planGroupNorm(norm: Node): void {
    const [reader, ...others] = this.#readersOf(norm.output);
    if (reader?.op === "Silu" && others.length === 0) this.activations.set(norm, reader);
    if (this.#planSum(norm)) return;
    const source = norm.inputs[0] ? this.#biasOf(norm.inputs[0]) : undefined;
    if (!source || norm.inputs[0]?.shape.length !== 4) return;
    this.normBiases.set(norm, source);
    this.withoutBias.add(source.layer);
  }

  /** A sum before a norm whose weights are there when the sum is made. */
  #planSum(norm: Node): boolean {
    const [x, ...weights] = norm.inputs;
    const isMap = norm.op === "GroupNormNhwc";
    const maker = x ? this.#producers.get(x.name) : undefined;
    const divisor = isMap && maker?.op === "Div" ? this.#numbers.get(maker.inputs[1]?.name ?? "") : undefined;
    const divided = divisor === undefined ? undefined : maker?.inputs[0];
    const sum = divided ? this.#producers.get(divided.name) : maker;
    if (sum?.op !== "Add" || this.sums.has(sum)) return false;
    if (!weights.every((value) => value && this.#parameters.has(value.name) && value.shape.length === 1)) return false;
    if (!areAddable(sum, isMap)) return false;
    const isRead = divided !== undefined || this.#readersOf(sum.output).length > 1;
    this.sums.set(sum, { norm, isRead, biases: this.#takeBiases(sum), divisor: divisor ?? 1 });
    return true;
  }

  #planBiasAdd(sum: Node): void {
    if (sum.op !== "Add" || this.sums.has(sum) || ![3, 4].includes(sum.output.shape.length) || !areAddable(sum, false))
      return;
    const biases = this.#takeBiases(sum);
    if (biases.length > 0) this.sums.set(sum, { isRead: true, biases, divisor: 1 });
  }

  #takeBiases(sum: Node): BiasSource[] {
    const sources = sum.inputs.flatMap((value) => (value && this.#biasOf(value)) ?? []);
    for (const { layer } of sources) this.withoutBias.add(layer);
    return sources;
  }

  /** The layer with a bias that makes a value which nobody else reads: a convolution, or a linear layer. */
  #biasOf(value: Value): BiasSource | undefined {
    const node = this.#producers.get(value.name);
    if (!node || this.#readersOf(value).length !== 1 || this.withoutBias.has(node)) return undefined;
    if (node.op === "Reshape" && node.inputs[0] && value.shape.at(-1) === node.inputs[0].shape.at(-1)) {
      return this.#biasOf(node.inputs[0]);
    }
    const isLayer = node.op === "ConvNhwc" || node.op === "Linear";
    const bias = node.inputs[2];
    return isLayer && bias ? { layer: node, bias } : undefined;
  }

  #planRows(slice: Node): boolean {
    const [x] = slice.inputs;
    const layer = x ? this.#producers.get(x.name) : undefined;
    if (!x || layer?.op !== "Linear" || x.shape.length !== 3 || intOf(slice.attributes, "axis") !== 2) return false;
    if (!this.#readersOf(x).every(({ op }) => op === "Slice")) return false;
    const [reader, ...others] = this.#readersOf(slice.output);
    const isGelu = reader?.op === "Gelu" && textOf(reader.attributes, "approximate") === "none" && others.length === 0;
    this.replaced.add(layer);
    this.rows.set(slice, {
      layer,
      from: intOf(slice.attributes, "start"),
      to: intOf(slice.attributes, "end"),
      ...(isGelu && layer.inputs[2] ? { gelu: reader } : {}),
    });
    return true;
  }

  /** Slices that together are all of a value are parts of it: one operation gives them all. */
  #planParts(slice: Node): void {
    const [x] = slice.inputs;
    const slices = x ? this.#readersOf(x) : [];
    const axis = intOf(slice.attributes, "axis");
    let end = 0;
    for (const { op, attributes } of slices) {
      if (op !== "Slice" || intOf(attributes, "axis") !== axis || intOf(attributes, "start") !== end) return;
      end = intOf(attributes, "end");
    }
    if (slices.length > 1 && end === x?.shape[axis]) this.parts.add(slice);
  }

  #readersOf({ name }: Value): readonly Node[] {
    return this.#readers.get(name) ?? [];
  }
}

/** Two of one shape, or a feature map and what is the same for all its pixels. */
function areAddable({ inputs, output }: Node, spreads: boolean): boolean {
  const [batch, , , channels] = output.shape;
  const shapes = inputs.map((value) => value?.shape.join());
  const allowed = [output.shape.join()];
  if (spreads) allowed.push([batch, 1, 1, channels].join(), [1, 1, 1, channels].join());
  return (
    shapes.every((shape) => shape !== undefined && allowed.includes(shape)) && shapes.includes(output.shape.join())
  );
}
