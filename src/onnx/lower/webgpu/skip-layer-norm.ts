/**
 * @module onnx/lower/webgpu/skip-layer-norm
 * A sum of channels-last tokens and the layer norm of this sum, which transformers have one after the other: one pass over both
 * operands that gives both results (onnxruntime's SkipLayerNormalization).
 */

import type { Node, Value } from "../../graph.ts";
import * as ops from "../../ops.ts";
import { floatOf } from "../../shapes.ts";
import type { Lowered, ChannelsLast, Rewriting } from "../rewriting.ts";
import { onceAll } from "../shared-constants.ts";

/** @returns the sum, for a node that adds what a layer norm then takes; undefined: it is no such node. */
export function summedForNorm(context: Rewriting, node: Node): Lowered | undefined {
  const norm = context.consumers(node.output).find(({ op, inputs }) => op === "LayerNorm" && inputs[0] === node.output);
  if (!norm || !areTokens(context, node)) return undefined;
  return { later: () => asTokens(sumAndNorm(context, node, norm).sum) };
}

/** @returns the norm, for a layer norm of such a sum. */
export function normOfSum(context: Rewriting, node: Node): ChannelsLast | undefined {
  const sum = node.inputs[0] ? context.producer(node.inputs[0]) : undefined;
  if (sum?.op !== "Add" || !areTokens(context, sum)) return undefined;
  return asTokens(sumAndNorm(context, sum, node).normed);
}

const asTokens = (rows: Value): ChannelsLast => ({ rows, kind: "tokens" });

/** Two of one shape, both made as channels-last tokens. */
const areTokens = ({ kindOf }: Rewriting, { inputs, output }: Node): boolean =>
  inputs.every((value) => value?.shape.join() === output.shape.join() && kindOf(value) === "tokens");

function sumAndNorm({ g, rows, lowered }: Rewriting, sum: Node, norm: Node): Record<"sum" | "normed", Value> {
  const [normed, summed] = onceAll(g, `sum and norm ${sum.output.name}`, () => {
    const both = sum.inputs.map((value) => rows(value!, "tokens"));
    const [weight, bias] = norm.inputs.slice(1).map((value) => lowered(value!));
    const attributes = { epsilon: ops.float(floatOf(norm.attributes, "epsilon")) };
    const made = g.op("com.microsoft.SkipLayerNormalization", [...both, weight!, bias!], attributes);
    return [made, g.op("SkipSum", both)];
  });
  return { sum: summed!, normed: normed! };
}
