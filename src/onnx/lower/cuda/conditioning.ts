/**
 * @module onnx/lower/cuda/conditioning
 * The conditioning pass: what each resnet makes of the time, scale and shift of a group norm, is six small operations for each
 * of some fifty resnets. Starting an operation takes the CPU longer than the GPU needs for one of these, and a step of IF's
 * networks waits for the CPU. So they are made for many resnets at once, side by side: for the first ones, and for the others
 * when the first ones' convolutions have given the GPU something to do.
 *
 * For each resnet y = (scale | shift), (B, 2·C), is given, and (w·(1 + scale) | b·(1 + scale) + shift) wanted. Side by side that is
 * y·(w | 1) + y'·(0 | b) + (w | b), y' being y with scale in the place of shift.
 *
 * Letters: B batch, C channels of a resnet.
 */

import { sum } from "../../../math/statistics.ts";
import type { Graph, GraphBuilder, Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { type WrittenValues, rebuild } from "../../rebuild.ts";
import { intOf } from "../../shapes.ts";
import type { Pass } from "../lower.ts";

/** Theirs is made first: of IF-I-XL they take the GPU 1 ms, in which the CPU starts what the others need. */
const FIRST_RESNETS = 3;

export const batchedConditioning: Pass = {
  name: "conditioning",
  run: (graph) => {
    const norms = timedNorms(graph);
    if (norms.length < 2) return graph;
    return rebuild(graph, (g, values) => {
      const groupOf = new Map(
        [norms.slice(0, FIRST_RESNETS), norms.slice(FIRST_RESNETS)].flatMap((group) =>
          group.map(({ layer }) => [layer, group] as const),
        ),
      );
      const made = new Set<readonly TimedNorm[]>();
      const replaced = new Set(norms.flatMap((norm) => norm.replaced));
      const visit = (node: Node): void => {
        if (replaced.has(node)) return;
        const group = groupOf.get(node);
        if (group) {
          if (!made.has(group)) makeAll(g, group, values);
          made.add(group);
        } else values.copy(node);
      };
      return { visit };
    });
  },
};

/** A group norm whose weight and bias are made of a norm's own ones and of what a linear layer makes of the time. */
interface TimedNorm {
  readonly layer: Node;
  /** (C) each. */
  readonly weight: Value;
  readonly bias: Value;
  /** What the norm takes, (B, C) each. */
  readonly factor: Value;
  readonly offset: Value;
  /** The operations between. */
  readonly replaced: readonly Node[];
}

/** All that take their time from one value. */
function timedNorms(graph: Graph): TimedNorm[] {
  const producers = new Map(graph.nodes.map((node) => [node.output.name, node]));
  const parameters = new Set(graph.parameters.map(({ value }) => value.name));
  const found = graph.nodes.flatMap((node) => {
    const norm = node.op === "GroupNorm" ? timedNorm(node, producers, parameters) : undefined;
    return norm ? [norm] : [];
  });
  const time = found[0]?.layer.inputs[0];
  return found.filter(({ layer }) => layer.inputs[0] === time);
}

function timedNorm(
  norm: Node,
  producers: ReadonlyMap<string, Node>,
  parameters: ReadonlySet<string>,
): TimedNorm | undefined {
  const makerOf = (value: Value | null | undefined, op: string): Node | undefined => {
    const maker = value ? producers.get(value.name) : undefined;
    return maker?.op === op ? maker : undefined;
  };
  const [, factor, offset] = norm.inputs;
  const product = makerOf(factor, "Mul"); // weight · (1 + scale)
  const sum = makerOf(offset, "Add"); // bias · (1 + scale) + shift
  const other = makerOf(sum?.inputs[0], "Mul");
  const scale = makerOf(product?.inputs[1], "Add"); // scale + 1
  const [scales, shifts] = [makerOf(scale?.inputs[0], "Slice"), makerOf(sum?.inputs[1], "Slice")];
  const layer = makerOf(scales?.inputs[0], "Linear");
  const [weight, bias] = [product?.inputs[0], other?.inputs[0]];
  if (!factor || !offset || !product || !sum || !other || !scale || !scales || !shifts || !layer) return undefined;
  if (!weight || !bias || !parameters.has(weight.name) || !parameters.has(bias.name)) return undefined;
  const isWhole = other.inputs[1] === product.inputs[1] && shifts.inputs[0] === layer.output;
  if (!isWhole || layer.output.shape.length !== 2 || intOf(scales.attributes, "start") !== 0) return undefined;
  return { layer, weight, bias, factor, offset, replaced: [product, sum, other, scale, scales, shifts] };
}

/** Writes the factors and offsets of these norms: (B, 1, 1, C) each. */
function makeAll(g: GraphBuilder, norms: readonly TimedNorm[], values: WrittenValues): void {
  const channels = norms.map(({ weight }) => weight.shape[0] ?? 0);
  const projected = projectAll(
    g,
    norms.map(({ layer }) => layer),
    values,
  ); // (B, Σ 2·C)
  const [weights, biases] = [norms.map(({ weight }) => values.of(weight)), norms.map(({ bias }) => values.of(bias))];
  const filled = (count: number, number: number): Value => g.constant(new Float32Array(count).fill(number), [count]);
  const sideBySide = (first: (at: number) => Value, second: (at: number) => Value): Value =>
    ops.concat(
      g,
      norms.flatMap((_, at) => [first(at), second(at)]),
      0,
    );
  const ofOwn = sideBySide(
    (at) => weights[at]!,
    (at) => filled(channels[at]!, 1),
  );
  const ofScale = sideBySide(
    (at) => filled(channels[at]!, 0),
    (at) => biases[at]!,
  );
  const added = sideBySide(
    (at) => weights[at]!,
    (at) => biases[at]!,
  );
  const projectedShift = ops.mul(g, projected, ofOwn);
  const scales = ops.mul(
    g,
    ops.gather(g, projected, g.constant(scalePlaces(channels), [projected.shape[1] ?? 0]), 1),
    ofScale,
  );
  const all = ops.add(g, ops.add(g, projectedShift, scales), added);
  const [batch = 0, width = 0] = all.shape;
  const spread = ops.reshape(g, all, [batch, 1, 1, width]);
  const parts = ops.parts(
    g,
    spread,
    3,
    channels.flatMap((count) => [count, count]),
  );
  for (const [at, { factor, offset }] of norms.entries()) {
    values.set(factor, parts[2 * at]!);
    values.set(offset, parts[2 * at + 1]!);
  }
}

/** Side by side. Biases are added to all at once: a Gemm that adds one is two kernels. */
function projectAll(g: GraphBuilder, layers: readonly Node[], values: WrittenValues): Value {
  const biases = layers.flatMap(({ inputs: [, , bias] }) => bias ?? []);
  const areAll = biases.length === layers.length;
  const products = layers.map(({ op, inputs: [x, weight, bias], attributes }) =>
    g.op(op, [values.of(x!), values.of(weight!), areAll || !bias ? null : values.of(bias)], attributes),
  );
  const joined = ops.concat(g, products, 1);
  if (!areAll) return joined;
  const written = biases.map((bias) => values.of(bias));
  return ops.add(g, joined, ops.concat(g, written, 0));
}

/** Where the scale lies that belongs to each number of (scale | shift), one resnet after the other. */
function scalePlaces(channels: readonly number[]): BigInt64Array {
  const places = new BigInt64Array(2 * sum(channels));
  let start = 0;
  for (const count of channels) {
    for (let at = 0; at < count; at++) places[start + at] = places[start + count + at] = BigInt(start + at);
    start += 2 * count;
  }
  return places;
}
