/**
 * @module runtime/session
 * Lower, encode, bind weights, run, release: a network lives as long as one call of `withSession`.
 */

import * as ort from "onnxruntime-node";
import { ShapeError } from "../errors.ts";
import { elementCount, type Tensor } from "../math/tensor.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Graph, Value } from "../onnx/graph.ts";
import { lower } from "../onnx/lower/lowering.ts";
import { type ExecutionProvider, lowerings } from "../onnx/lower/providers.ts";
import type { ComputeType } from "../onnx/lower/spellings.ts";
import { type WeightMode, weightModeFor } from "../onnx/weight-mode.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { bindWeights } from "./bind-weights.ts";
import { blamingCard, checkNumbers } from "./card-failure.ts";
import { externalLocation, sessionOptions } from "./execution-providers.ts";

ort.env.logLevel = "error"; // before the first session, else the library prints to stderr

export type Feed = Float32Array | BigInt64Array;

/** Runs the network once. Feeds are named and shaped as the graph's inputs; so are the results. */
export type Run = (feeds: Readonly<Record<string, Feed>>) => Promise<ReadonlyMap<string, Tensor>>;

export interface SessionSettings {
  readonly executionProvider: ExecutionProvider;
  /** Which NVIDIA GPU, as CUDA counts them; the first if absent. */
  readonly deviceId?: number;
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
  const provider = settings.executionProvider;
  const lowering = lowerings[provider](settings.computeType ?? "float32");
  const lowered = lower(graph, await bindWeights(weights), lowering);
  const model = encodeModel(lowered, lowering.opset, externalLocation);
  const onCard = provider === "cpu" ? undefined : `${graph.name} on ${provider}`;
  const create = ort.InferenceSession.create(model, {
    ...sessionOptions[provider](settings.weightMode ?? weightModeFor(graph), settings.deviceId),
    ...(settings.threads ? { intraOpNumThreads: settings.threads } : {}),
  });
  const session = await (onCard ? blamingCard(onCard, create) : create);
  try {
    return await use(async (feeds) => {
      if (!onCard) return run(session, lowered, feeds);
      const results = await blamingCard(onCard, run(session, lowered, feeds));
      checkNumbers(onCard, results);
      return results;
    });
  } finally {
    await session.release();
  }
}

async function run(
  session: ort.InferenceSession,
  graph: Graph,
  feeds: Readonly<Record<string, Feed>>,
): Promise<ReadonlyMap<string, Tensor>> {
  const inputs = Object.fromEntries(graph.inputs.map((input) => [input.name, feedTensor(graph, input, feeds)]));
  const results = await session.run(inputs);
  const named = graph.outputs.map(({ name, shape }): [string, Tensor] => {
    const data = results[name]?.data;
    if (!(data instanceof Float32Array)) throw new ShapeError(`${graph.name}: the output ${name} is not float32`);
    return [name, { data, shape }];
  });
  return new Map(named);
}

function feedTensor(graph: Graph, { name, dtype, shape }: Value, feeds: Readonly<Record<string, Feed>>): ort.Tensor {
  const data = feeds[name];
  if (!data) throw new ShapeError(`${graph.name}: the input ${name} is not fed`);
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(`${graph.name}: ${data.length} numbers fed to ${name} [${shape.join(", ")}]`);
  }
  if (dtype === "float32" && data instanceof Float32Array) return new ort.Tensor("float32", data, shape);
  if (dtype === "int64" && data instanceof BigInt64Array) return new ort.Tensor("int64", data, shape);
  throw new ShapeError(`${graph.name}: ${name} is ${dtype}, fed with ${data.constructor.name}`);
}
