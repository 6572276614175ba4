/**
 * What a network lowered for CUDA says, in operations that the CPU provider has: the same arithmetic, written out from the
 * operations' definitions, so that wiring and layouts are tested where there is no GPU.
 */

import { type Graph, GraphBuilder, type Node, type Value } from "../../../../src/onnx/graph.ts";
import { castTo } from "../../../../src/onnx/lower/decompositions.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { floatOf, intOf } from "../../../../src/onnx/shapes.ts";

type Meaning = (g: GraphBuilder, inputs: readonly (Value | null)[], node: Node) => Value;

const toFirst = (g: GraphBuilder, x: Value): Value => ops.transpose(g, x, [0, 3, 1, 2]);
const toLast = (g: GraphBuilder, x: Value): Value => ops.transpose(g, x, [0, 2, 3, 1]);

const convolution =
  (kernelOf: (g: GraphBuilder, kernel: Value) => Value): Meaning =>
  (g, [x, kernel, bias = null], { attributes }) =>
    toLast(g, g.op("Conv", [toFirst(g, x!), kernelOf(g, kernel!), bias], attributes));

/** (B, C) -> (B, 1, 1, C). */
const spread = (g: GraphBuilder, value: Value): Value =>
  value.shape.length === 2 ? ops.reshape(g, value, [value.shape[0]!, 1, 1, value.shape[1]!]) : value;

const sum = (g: GraphBuilder, x: Value, skip: Value | null, bias: Value | null): Value => {
  const whole = skip ? ops.add(g, x, spread(g, skip)) : x;
  return bias ? ops.add(g, whole, bias) : whole;
};

const groupNorm: Meaning = (g, [x, weight, shift, skip = null, bias = null], { attributes }) => {
  const whole = castTo(g, sum(g, x!, skip, bias), "float32"); // as its weights
  const [batch = 0, height = 0, width = 0, channels = 0] = whole.shape;
  const groups = intOf(attributes, "groups");
  const inGroups = ops.reshape(g, toFirst(g, whole), [batch, groups, -1]);
  const centred = ops.sub(g, inGroups, ops.mean(g, inGroups));
  const variance = ops.mean(g, ops.mul(g, centred, centred));
  const deviation = ops.sqrt(g, ops.add(g, variance, g.scalar(floatOf(attributes, "epsilon"))));
  const normal = ops.reshape(g, ops.div(g, centred, deviation), [batch, channels, height, width]);
  const scaled = ops.add(g, ops.mul(g, toLast(g, normal), weight!), shift!);
  const active = intOf(attributes, "activation") === 1 ? ops.mul(g, scaled, ops.sigmoid(g, scaled)) : scaled;
  return x!.dtype === "float16" ? castTo(g, active, "float16") : active;
};

const meanings: Readonly<Record<string, Meaning>> = {
  "com.ms.internal.nhwc.Conv": convolution((_, kernel) => kernel),
  ConvOfKernelLast: convolution((g, kernel) => toFirst(g, kernel)),
  "com.ms.internal.nhwc.AveragePool": (g, [x], { attributes }) =>
    toLast(g, g.op("AveragePool", [toFirst(g, x!)], attributes)),
  "com.microsoft.GroupNorm": groupNorm,
  "com.microsoft.SkipGroupNorm": groupNorm,
  "com.microsoft.BiasAdd": (g, [x, bias, skip]) => ops.add(g, ops.add(g, x!, bias!), skip!),
};

/** @param lowered for CUDA; what it says in float16 the CPU provider computes in float32. @returns the same numbers, for the CPU provider. */
export function onCpuOperations(lowered: Graph): Graph {
  const g = new GraphBuilder(`${lowered.name}, on the CPU`);
  const values = new Map<string, Value>();
  for (const { name, dtype, shape } of lowered.inputs) values.set(name, g.input(name, dtype, shape));
  for (const { value, data } of lowered.constants) values.set(value.name, g.constant(data, value.shape, value.dtype));
  for (const weight of lowered.fileWeights) values.set(weight.value.name, g.fileWeight(weight));
  const outputs = new Set(lowered.outputs.map(({ name }) => name));
  const norms = new Map(
    lowered.nodes.filter(({ op }) => op === "com.microsoft.SkipGroupNorm").map((node) => [node.inputs[0]?.name, node]),
  );
  for (const node of lowered.nodes) {
    const valueOf = (value: Value | null): Value | null => (value ? values.get(value.name)! : null);
    const inputs = node.inputs.map(valueOf);
    if (outputs.has(node.output.name)) {
      g.output(node.output.name, inputs[0]!);
      continue;
    }
    const make = (): Value => {
      if (node.op === "SkipGroupSum") {
        const norm = norms.get(node.inputs[0]?.name); // the sum is the norm's second result
        if (!norm) throw new Error(`${node.name} is no result of a norm`);
        return sum(g, inputs[0]!, valueOf(norm.inputs[3] ?? null), valueOf(norm.inputs[4] ?? null));
      }
      return (meanings[node.op] ?? (() => g.op(node.op, inputs, node.attributes)))(g, inputs, node);
    };
    values.set(node.output.name, make());
  }
  return g.finish();
}
