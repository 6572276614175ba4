/**
 * @module onnx/lower/cuda/fuse
 * The fusing pass: it joins passes over feature maps that the provider can make at once. A feature map of 256 pixels a side
 * is some 70 MB, and each pass reads and writes all of it.
 *
 * - A group norm takes the SiLU that follows it, and the sum before it with the biases of what is summed (SkipGroupNorm).
 * - Any other sum takes the biases of what is summed (BiasAdd).
 * - A layer norm takes the sum before it likewise (SkipLayerNormalization).
 * - Half of a linear layer's features, cut out, is a layer of half its weight (GEGLU); with a GELU behind it, BiasGelu.
 *
 * Two steps: what goes with what is decided on the network as it stands (FusionPlan), then it is written down.
 */

import type { GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { type WrittenValues, rebuild } from "../../rebuild.ts";
import { floatOf } from "../../shapes.ts";
import type { Pass } from "../lower.ts";
import { type BiasSource, FusionPlan, type PlannedSum } from "./fusion-plan.ts";

export const fusedOperations: Pass = {
  name: "fuse",
  run: (graph) => {
    const plan = new FusionPlan(graph);
    return rebuild(graph, (g, values) => {
      const writer = new FusedWriter(g, values, plan);
      return { visit: (node) => writer.visit(node) };
    });
  },
};

class FusedWriter {
  readonly #g: GraphBuilder;
  readonly #values: WrittenValues;
  readonly #plan: FusionPlan;

  constructor(g: GraphBuilder, values: WrittenValues, plan: FusionPlan) {
    this.#g = g;
    this.#values = values;
    this.#plan = plan;
  }

  visit(node: Node): void {
    const { output } = node;
    if (this.#values.has(output) || this.#plan.replaced.has(node)) return; // made with another node, or in parts
    this.#values.set(output, this.#write(node));
  }

  #write(node: Node): Value {
    const sum = this.#plan.sums.get(node);
    if (sum?.norm) return this.#sumAndNorm(node, sum.norm, sum);
    if (sum) return this.#biasAdd(node, sum.biases);
    if (node.op === "GroupNormNhwc") return this.#groupNorm(node);
    const rows = this.#plan.rows.get(node);
    if (rows) return this.#linearRows(rows);
    const inputs = this.#values.inputsOf(node);
    if (this.#plan.withoutBias.has(node)) return this.#g.op(node.op, [inputs[0]!, inputs[1]!, null], node.attributes);
    return this.#g.op(this.#plan.parts.has(node) ? "Part" : node.op, inputs, node.attributes);
  }

  /** The sum is the node's own value; the norm, and the SiLU behind it, are made with it. */
  #sumAndNorm(node: Node, norm: Node, { isRead, biases, divisor }: PlannedSum): Value {
    const [x, skip] = this.#operands(node);
    const [weight, shift] = norm.inputs.slice(1).map((value) => this.#values.of(value!));
    const bias = this.#sumOf(biases);
    if (norm.op === "LayerNorm") {
      const normed = this.#g.op("com.microsoft.SkipLayerNormalization", [x, skip, weight!, shift!, bias], {
        epsilon: ops.float(floatOf(norm.attributes, "epsilon")),
      });
      this.#values.set(norm.output, normed);
      return isRead ? this.#g.op("SkipSum", [x, skip]) : normed;
    }
    const perSample = skip.shape.join() === x.shape.join() ? skip : this.#perSample(skip, x);
    const inputs = [x, weight!, shift!, perSample, bias];
    const epsilon = ops.float(floatOf(norm.attributes, "epsilon") * divisor ** 2);
    const attributes = { ...this.#normAttributes(norm), epsilon };
    const normed = this.#g.op("GroupNormNhwc", inputs, attributes);
    this.#finishNorm(norm, normed);
    if (!isRead) return normed; // nobody asks for the sum
    return this.#g.op("SkipGroupSum", [x, perSample, bias], attributes);
  }

  /** Sum's operands, the larger one first. */
  #operands({ inputs }: Node): [Value, Value] {
    const [a, b] = inputs.map((value) => this.#values.of(value!));
    return count(a!) >= count(b!) ? [a!, b!] : [b!, a!];
  }

  /** (1 or B, 1, 1, C) -> (B, C). */
  #perSample(skip: Value, { shape: [batch = 0, , , channels = 0] }: Value): Value {
    const flat = ops.reshape(this.#g, skip, [skip.shape[0] ?? 1, channels]);
    return flat.shape[0] === batch ? flat : ops.expand(this.#g, flat, [batch, channels]);
  }

  #groupNorm(node: Node): Value {
    const [x, weight, shift] = this.#values.inputsOf(node);
    const source = this.#plan.normBiases.get(node);
    const bias = source ? this.#values.of(source.bias) : null;
    const [batch = 0, channels = 0] = [x!.shape[0], x!.shape.at(-1)];
    const skip = bias && ops.expand(this.#g, ops.reshape(this.#g, bias, [1, channels]), [batch, channels]);
    const normed = this.#g.op("GroupNormNhwc", [x!, weight!, shift!, skip], this.#normAttributes(node));
    this.#finishNorm(node, normed);
    return normed;
  }

  #normAttributes(norm: Node): Node["attributes"] {
    return { ...norm.attributes, activation: ops.int(this.#plan.activations.has(norm) ? 1 : 0) };
  }

  /** The norm's value and that of the SiLU that it takes are one. */
  #finishNorm(norm: Node, normed: Value): void {
    this.#values.set(norm.output, normed);
    const silu = this.#plan.activations.get(norm);
    if (silu) this.#values.set(silu.output, normed);
  }

  #biasAdd(node: Node, biases: readonly BiasSource[]): Value {
    const [x, skip] = this.#operands(node);
    return this.#g.op("SumWithBias", [x, skip, this.#sumOf(biases)!]);
  }

  #sumOf(biases: readonly BiasSource[]): Value | null {
    const values = biases.map(({ bias }) => this.#values.of(bias));
    return values.length === 0 ? null : values.reduce((sum, bias) => this.#g.op("BiasSum", [sum, bias]));
  }

  #linearRows({ layer, from, to, gelu }: { layer: Node; from: number; to: number; gelu?: Node }): Value {
    const inputs = this.#values.inputsOf(layer);
    const attributes = { from: ops.int(from), to: ops.int(to), gelu: ops.int(gelu ? 1 : 0) };
    const made = this.#g.op("LinearRows", inputs, attributes);
    if (gelu) this.#values.set(gelu.output, made);
    return made;
  }
}

const count = ({ shape }: Value): number => shape.reduce((product, side) => product * side, 1);
