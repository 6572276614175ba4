/**
 * @module runtime/session
 * Lower, encode, bind weights, run, release: a network lives as long as one call of `withSession`.
 */

import * as ort from "onnxruntime-node";
import { ShapeError } from "../errors.ts";
import { elementCount, type Tensor } from "../math/tensor.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Graph, Value } from "../onnx/graph.ts";
import { lower } from "../onnx/lower/lower.ts";
import { type ExecutionProvider, lowerings } from "../onnx/lower/providers.ts";
import type { ComputeType } from "../onnx/lower/decompositions.ts";
import { type WebgpuChoices, webgpuDefaults } from "../onnx/lower/webgpu/variants.ts";
import { type WeightMode, weightModeFor } from "../onnx/weight-mode.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { hasBlocks } from "../weights/find-weight.ts";
import { bindWeights } from "./bind-weights.ts";
import { blamingCard, checkNumbers } from "./card-failure.ts";
import { type ProviderChoices, externalLocation, sessionOptions } from "./execution-providers.ts";

ort.env.logLevel = "error"; // before the first session, else the library prints to stderr

export type Feed = Float32Array | BigInt64Array;

/** Runs the network once. Feeds are named and shaped as the graph's inputs; so are the results. */
export type Run = (feeds: Readonly<Record<string, Feed>>) => Promise<ReadonlyMap<string, Tensor>>;

export interface SessionSettings extends ProviderChoices {
  readonly executionProvider: ExecutionProvider;
  /** Threads inside one operation; onnxruntime's own choice (the physical cores) if absent. */
  readonly threads?: number;
  /** What a graphics card computes in; float32 if absent. */
  readonly computeType?: ComputeType;
  /** Chosen by the size of the network if absent. */
  readonly weightMode?: WeightMode;
}

/**
 * Loads a network, lets `use` run it, and gives everything back, also when `use` throws.
 * @throws {CheckpointError} a weight is missing, has another shape, or its file is not as long as its header says.
 * @throws {StageError} a graphics card cannot load or run it, or gives what is no number.
 */
export async function withSession<T>(
  graph: Graph,
  weights: WeightTable | null,
  settings: SessionSettings,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  return withTensors(graph, weights, settings, "process", (run) =>
    use(async (feeds) => numbersOf(graph, settings, await run(feeds))),
  );
}

/** As `Run`, on onnxruntime's own tensors, which may stay where they were made. */
export type RunTensors = (
  feeds: Readonly<Record<string, Feed | ort.Tensor>>,
) => Promise<Readonly<Record<string, ort.Tensor>>>;

/**
 * As withSession, for networks that pass tensors to each other.
 * @param results where they shall lie: in this process, or on the card (webgpu only), until they are disposed of.
 */
export async function withTensors<T>(
  graph: Graph,
  weights: WeightTable | null,
  settings: SessionSettings,
  results: "process" | "card",
  use: (run: RunTensors) => Promise<T>,
): Promise<T> {
  const provider = settings.executionProvider;
  const choices = webgpuChoices(weights);
  const lowering = lowerings[provider](settings.computeType ?? "float32", choices);
  const lowered = lower(graph, await bindWeights(weights), lowering);
  const model = encodeModel(lowered, lowering.opset, externalLocation);
  const create = ort.InferenceSession.create(model, {
    ...sessionOptions[provider](settings.weightMode ?? weightModeFor(graph), {
      bufferCache: choices.bufferCache,
      ...settings,
    }),
    ...(settings.threads ? { intraOpNumThreads: settings.threads } : {}),
    ...(results === "card" ? { preferredOutputLocation: "gpu-buffer" as const } : {}),
  });
  const session = await blaming(graph, settings, create);
  try {
    return await use((feeds) => {
      const inputs = Object.fromEntries(lowered.inputs.map((input) => [input.name, feedTensor(lowered, input, feeds)]));
      return blaming(graph, settings, session.run(inputs));
    });
  } finally {
    await session.release();
  }
}

/** What is chosen for a network with such weights, should it run on WebGPU. */
export const webgpuChoices = (weights: WeightTable | null): WebgpuChoices =>
  webgpuDefaults[weights && hasBlocks(weights) ? "blocks" : "stored"];

const blaming = <T>({ name }: Graph, { executionProvider: provider }: SessionSettings, work: Promise<T>): Promise<T> =>
  provider === "cpu" ? work : blamingCard(`${name} on ${provider}`, work);

/** @throws {StageError} a graphics card gave what is no number. */
export function numbersOf(
  graph: Graph,
  { executionProvider: provider }: SessionSettings,
  results: Readonly<Record<string, ort.Tensor>>,
): ReadonlyMap<string, Tensor> {
  const named = new Map(
    graph.outputs.map(({ name, shape }): [string, Tensor] => {
      const data = results[name]?.data;
      if (!(data instanceof Float32Array)) throw new ShapeError(`${graph.name}: the output ${name} is not float32`);
      return [name, { data, shape }];
    }),
  );
  if (provider !== "cpu") checkNumbers(`${graph.name} on ${provider}`, named);
  return named;
}

function feedTensor(
  graph: Graph,
  { name, dtype, shape }: Value,
  feeds: Readonly<Record<string, Feed | ort.Tensor>>,
): ort.Tensor {
  const data = feeds[name];
  if (!data) throw new ShapeError(`${graph.name}: the input ${name} is not fed`);
  if ("dims" in data) return data;
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(`${graph.name}: ${data.length} numbers fed to ${name} [${shape.join(", ")}]`);
  }
  if (dtype === "float32" && data instanceof Float32Array) return new ort.Tensor("float32", data, shape);
  if (dtype === "int64" && data instanceof BigInt64Array) return new ort.Tensor("int64", data, shape);
  throw new ShapeError(`${graph.name}: ${name} is ${dtype}, fed with ${data.constructor.name}`);
}
