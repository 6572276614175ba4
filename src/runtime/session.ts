/**
 * @module runtime/session
 * Lower, encode, bind weights, run, release: a network lives as long as one call of `withSession`.
 */

import * as ort from "onnxruntime-node";
import { CheckpointError, ShapeError } from "../errors.ts";
import { copyNumbers, float32ToFloat16 } from "../math/half.ts";
import { type Numbers, elementCount, type Tensor } from "../math/tensor.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Graph, Value } from "../onnx/graph.ts";
import { isText } from "../onnx/lower/narrow-ends.ts";
import { type WeightFormat, lowerFor, providers } from "../onnx/lower/providers.ts";
import type { ComputeType } from "../onnx/lower/decompositions.ts";
import { type WeightMode, weightModeFor } from "../onnx/weight-mode.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { bindWeights } from "./bind-weights.ts";
import { checkNumbers, nameGpuFailure } from "./gpu-failure.ts";
import { type ProviderChoices, externalLocation, sessionOptions } from "./execution-providers.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";

ort.env.logLevel = "error"; // before the first session, else the library prints to stderr

export type Feed = Numbers | BigInt64Array;

/**
 * Runs the network once. Feeds are named and shaped as the graph's inputs; so are the results. A text that was fed must not be
 * written to afterwards: it is converted once.
 * @param into where the first result is to lie: onnxruntime then makes no memory of its own for it. Results are float32, so one
 *   that lies in float16 is not among those returned.
 */
export type Run = (feeds: Readonly<Record<string, Feed>>, into?: Numbers) => Promise<ReadonlyMap<string, Tensor>>;

export interface SessionSettings extends ProviderChoices {
  readonly executionProvider: ExecutionProvider;
  /** Threads inside one operation; onnxruntime's own choice (the physical cores) if absent. */
  readonly threads?: number;
  /** What a GPU computes in. @default float32 */
  readonly computeType?: ComputeType;
  /** How the weights lie. @default stored */
  readonly weightFormat?: WeightFormat;
  /** May images be fed as float16, where that is computed in? Then they are passed on in it. @default false */
  readonly narrowsImages?: boolean;
  /** Chosen by the size of the network if absent. */
  readonly weightMode?: WeightMode;
}

/**
 * Loads a network, lets `use` run it, and gives everything back, also when `use` throws.
 * @throws {CheckpointError} a weight is missing, has another shape, or its file is not as long as its header says.
 * @throws {StageError} a GPU cannot load or run it, or produces NaN or infinity.
 */
export async function withSession<T>(
  graph: Graph,
  weights: WeightTable | null,
  settings: SessionSettings,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  return withTensors(graph, weights, settings, "process", (run) =>
    use(async (feeds, into) => numbersOf(graph, settings, await run(feeds, into), into)),
  );
}

/** As `Run`, on onnxruntime's own tensors, which may stay where they were made. */
export type RunTensors = (
  feeds: Readonly<Record<string, Feed | ort.Tensor>>,
  into?: Numbers,
) => Promise<Readonly<Record<string, ort.Tensor>>>;

/**
 * As withSession, for networks that pass tensors to each other.
 * @param results where they shall lie: in this process, or on the device (where the provider keeps them there), until they are disposed of.
 */
export async function withTensors<T>(
  graph: Graph,
  weights: WeightTable | null,
  settings: SessionSettings,
  results: "process" | "device",
  use: (run: RunTensors) => Promise<T>,
): Promise<T> {
  const { executionProvider: provider, threads, computeType = "float32", weightFormat = "stored" } = settings;
  const { narrowsImages = false, fewPixels = false } = settings;
  const { graph: lowered, opset } = lowerFor(provider, graph, await bindWeights(weights), {
    computeType,
    weightFormat,
    fewPixels,
    narrowsImages,
  });
  const model = encodeModel(lowered, opset, externalLocation);
  const create = ort.InferenceSession.create(model, {
    ...sessionOptions[provider](settings.weightMode ?? weightModeFor(graph), { weightFormat, ...settings }),
    ...(threads ? { intraOpNumThreads: threads } : {}),
    ...(results === "device" ? { preferredOutputLocation: "gpu-buffer" as const } : {}),
  });
  const session = await namingFailure(graph, settings, create);
  const placeFor = placesOf(lowered);
  try {
    return await use((feeds, into) => {
      const inputs = Object.fromEntries(lowered.inputs.map((input) => [input.name, feedTensor(lowered, input, feeds)]));
      const run = into ? runInto(session, lowered, inputs, placeFor(into)) : session.run(inputs);
      return namingFailure(graph, settings, run);
    });
  } finally {
    await session.release();
  }
}

/**
 * @returns what says where onnxruntime is to write the first result that is to lie in some place: there, or in one memory of the
 *   session's own, where it lies in another type or the place is shared by threads (onnxruntime-node refuses that).
 */
function placesOf({ outputs: [first] }: Graph): (into: Numbers) => Numbers {
  let place: Numbers | undefined;
  return (into) => {
    const isHalf = first?.dtype === "float16";
    if (into instanceof Uint16Array === isHalf && into.buffer instanceof ArrayBuffer) return into;
    if (place?.length !== into.length) place = new (isHalf ? Uint16Array : Float32Array)(into.length);
    return place;
  };
}

/** The results that onnxruntime-node returns are copies of what it wrote there. @throws {ShapeError} the first one does not fit. */
async function runInto(
  session: ort.InferenceSession,
  { name, outputs: [first] }: Graph,
  inputs: Readonly<Record<string, ort.Tensor>>,
  place: Numbers,
): Promise<Readonly<Record<string, ort.Tensor>>> {
  if (!first || place.length !== elementCount(first.shape)) {
    throw new ShapeError(`${name}: its first result does not fit into ${place.length} numbers`);
  }
  const placed = { [first.name]: tensorOf(place, first.shape) };
  return { ...(await session.run(inputs, placed)), ...placed };
}

const tensorOf = (data: Numbers, shape: readonly number[]): ort.Tensor =>
  data instanceof Uint16Array
    ? asUint16(new ort.Tensor("float16", data, shape))
    : new ort.Tensor("float32", data, shape);

const namingFailure = <T>(
  { name }: Graph,
  { executionProvider: provider }: SessionSettings,
  work: Promise<T>,
): Promise<T> =>
  providers[provider].isCpu ? nameLostWeights(name, work) : nameGpuFailure(`${name} on ${provider}`, work);

/** onnxruntime maps the files of weights: one that is removed or cut short while it is loaded is no mistake of ours. */
async function nameLostWeights<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const isLost = cause instanceof Error && /external data|external initializer/i.test(cause.message);
    if (!isLost) throw cause;
    throw new CheckpointError(
      `the weights of ${name} were removed or cut short while they were loaded; fetch or copy them again.`,
      { cause },
    );
  }
}

/** @param into as `Run` has it. @throws {StageError} a GPU produced NaN or infinity. */
export function numbersOf(
  graph: Graph,
  { executionProvider: provider }: SessionSettings,
  results: Readonly<Record<string, ort.Tensor>>,
  into?: Numbers,
): ReadonlyMap<string, Tensor> {
  const given = new Map(
    graph.outputs.map(({ name, shape }): [string, Tensor<Numbers>] => {
      const result = results[name];
      const data = result && asUint16(result).data;
      if (data instanceof Float32Array || data instanceof Uint16Array) return [name, { data, shape }];
      throw new ShapeError(`${graph.name}: the output ${name} is not float32 or float16`);
    }),
  );
  if (!providers[provider].isCpu) checkNumbers(`${graph.name} on ${provider}`, given);
  const named = [...given].map(([name, { data, shape }], index): [string, Tensor<Numbers>] => {
    const place = (index === 0 && into) || (data instanceof Float32Array ? data : new Float32Array(data.length));
    if (place !== data) copyNumbers(data, place);
    return [name, { data: place, shape }];
  });
  return new Map(named.filter((entry): entry is [string, Tensor] => entry[1].data instanceof Float32Array));
}

/**
 * Where Node has Float16Array (24 and newer), onnxruntime makes one of each float16 tensor, but its binding reads zero bytes
 * of such a class (onnxruntime pull request 32323): what it reads, and we do, is the same bytes as Uint16Array.
 */
function asUint16(tensor: ort.Tensor): ort.Tensor {
  if (tensor.type !== "float16" || tensor.location !== "cpu" || tensor.data instanceof Uint16Array) return tensor;
  const { buffer, byteOffset, length } = tensor.data as { buffer: ArrayBuffer; byteOffset: number; length: number };
  return Object.defineProperty(tensor, "data", { value: new Uint16Array(buffer, byteOffset, length) });
}

/** Of a text that is fed in float16, which lies in the same place in every step. */
const halves = new WeakMap<ArrayBufferLike, Map<string, Uint16Array>>();

function halvesOf(data: Float32Array): Uint16Array {
  const place = `${data.byteOffset} ${data.length}`;
  const ofBuffer = halves.get(data.buffer) ?? new Map<string, Uint16Array>();
  const made = ofBuffer.get(place) ?? float32ToFloat16(data);
  halves.set(data.buffer, ofBuffer.set(place, made));
  return made;
}

/** @returns what the session is fed for one of its inputs. @throws {ShapeError} it is not fed, or with something else. */
export function feedTensor(graph: Graph, input: Value, feeds: Readonly<Record<string, Feed | ort.Tensor>>): ort.Tensor {
  const { name, dtype, shape } = input;
  const data = feeds[name];
  if (!data) throw new ShapeError(`${graph.name}: the input ${name} is not fed`);
  if ("dims" in data) return asUint16(data);
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(`${graph.name}: ${data.length} numbers fed to ${name} [${shape.join(", ")}]`);
  }
  if (dtype === "float16" && data instanceof Uint16Array) return tensorOf(data, shape);
  if (dtype === "float16" && data instanceof Float32Array)
    return tensorOf(isText(input) ? halvesOf(data) : float32ToFloat16(data), shape);
  if (dtype === "float32" && data instanceof Float32Array) return tensorOf(data, shape);
  if (dtype === "int64" && data instanceof BigInt64Array) return new ort.Tensor("int64", data, shape);
  throw new ShapeError(`${graph.name}: ${name} is ${dtype}, fed with ${data.constructor.name}`);
}
