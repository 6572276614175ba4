/** Runs a UNet's session once, on the CPU as a reference, or with a trace. */

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { encodeModel } from "../../../src/onnx/encode.ts";
import type { Graph } from "../../../src/onnx/graph.ts";
import { cpu } from "../../../src/onnx/lower/cpu/cpu.ts";
import { lower } from "../../../src/onnx/lower/lower.ts";
import { bindWeights } from "../../../src/runtime/bind-weights.ts";
import { externalLocation, sessionOptions } from "../../../src/runtime/execution-providers.ts";
import { type Feed, feedTensor } from "../../../src/runtime/session.ts";
import { openWeights } from "../../../src/weights/checkpoint.ts";
import { type Profile, readProfile } from "./read-profile.ts";

/** @returns the first output. */
export async function runOnce(
  session: ort.InferenceSession,
  graph: Graph,
  feeds: Readonly<Record<string, Feed | ort.Tensor>>,
): Promise<Float32Array> {
  const results = await runAll(session, graph, feeds);
  return results[graph.outputs[0]?.name ?? ""]?.data as Float32Array;
}

/** @returns all outputs, where they were made. */
export async function runAll(
  session: ort.InferenceSession,
  graph: Graph,
  feeds: Readonly<Record<string, Feed | ort.Tensor>>,
): Promise<Readonly<Record<string, ort.Tensor>>> {
  return session.run(Object.fromEntries(graph.inputs.map((input) => [input.name, feedTensor(graph, input, feeds)])));
}

/** What the lowering for the CPU gives, in float32. */
export async function onCpu(
  graph: Graph,
  folder: string,
  feeds: Readonly<Record<string, Feed>>,
): Promise<Float32Array> {
  const lowered = lower(graph, await bindWeights(await openWeights(folder)), cpu);
  const model = encodeModel(lowered, cpu.opset, externalLocation);
  const session = await ort.InferenceSession.create(model, sessionOptions.cpu("mapped"));
  try {
    return Float32Array.from(await runOnce(session, graph, feeds));
  } finally {
    await session.release();
  }
}

const TRACED_RUNS = 3;

/** @param folder where the trace is written; a session of its own is made for it. */
export async function traceRuns(
  model: Uint8Array,
  graph: Graph,
  feeds: Readonly<Record<string, Feed | ort.Tensor>>,
  settings: ort.InferenceSession.SessionOptions,
  folder: string,
): Promise<Profile> {
  mkdirSync(folder, { recursive: true });
  const prefix = `trace-${process.pid}`;
  const session = await ort.InferenceSession.create(model, {
    ...settings,
    enableProfiling: true,
    profileFilePrefix: join(folder, prefix),
  });
  for (let at = 0; at < TRACED_RUNS; at++) await runOnce(session, graph, feeds);
  session.endProfiling();
  await session.release();
  const file = readdirSync(folder).find((name) => name.startsWith(prefix));
  if (file === undefined) throw new Error(`no trace in ${folder}`);
  return readProfile(join(folder, file), TRACED_RUNS);
}
