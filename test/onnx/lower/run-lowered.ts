/** Runs a network as it is lowered for a device: on the CPU, or on that device. */

import * as ort from "onnxruntime-node";
import { encodeModel } from "../../../src/onnx/encode.ts";
import type { Graph } from "../../../src/onnx/graph.ts";
import { lower, type Lowering } from "../../../src/onnx/lower/lower.ts";
import { bindWeights } from "../../../src/runtime/bind-weights.ts";
import { type ProviderChoices, externalLocation, sessionOptions } from "../../../src/runtime/execution-providers.ts";
import { type Feed, feedTensor } from "../../../src/runtime/session.ts";
import { openWeights } from "../../../src/weights/checkpoint.ts";
import { referenceVariant } from "../../golden.ts";
import type { ExecutionProvider } from "../../../src/onnx/lower/provider-names.ts";

/**
 * @returns the first output's numbers.
 * @param folder  null: the network has no weights.
 * @param rewrite of the lowered graph, before it runs.
 */
export async function runLowered(
  graph: Graph,
  folder: string | null,
  lowering: Lowering,
  feeds: Readonly<Record<string, Feed>>,
  executionProvider: ExecutionProvider = "cpu",
  rewrite: (lowered: Graph) => Graph = (lowered) => lowered,
  choices: ProviderChoices = {},
): Promise<Float32Array> {
  const weights = folder === null ? null : await openWeights(folder, await referenceVariant(folder));
  const lowered = rewrite(lower(graph, await bindWeights(weights), lowering));
  const session = await ort.InferenceSession.create(encodeModel(lowered, lowering.opset, externalLocation), {
    ...sessionOptions[executionProvider]("mapped", choices),
    logSeverityLevel: 3,
  });
  try {
    const tensors = lowered.inputs.map((input) => [input.name, feedTensor(lowered, input, feeds)] as const);
    const results = await session.run(Object.fromEntries(tensors));
    const data = results[graph.outputs[0]?.name ?? ""]?.data;
    if (!(data instanceof Float32Array)) throw new Error("the first output is not float32");
    return data;
  } finally {
    await session.release();
  }
}

/** √(Σ(a - b)² / Σb²); NaN if there is one. */
export function relativeError(actual: Float32Array, expected: ArrayLike<number | bigint>): number {
  let [difference, size] = [0, 0];
  for (let at = 0; at < expected.length; at++) {
    const expectedValue = Number(expected[at]);
    difference += ((actual[at] ?? Number.NaN) - expectedValue) ** 2;
    size += expectedValue ** 2;
  }
  return actual.length === expected.length ? Math.sqrt(difference / size) : Number.NaN;
}
