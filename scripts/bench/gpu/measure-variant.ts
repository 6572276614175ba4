/** One UNet, lowered one way, in this process: loaded, run, timed, compared. */

import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { encodeModel } from "../../../src/onnx/encode.ts";
import { hoist } from "../../../src/onnx/hoist.ts";
import { cpu } from "../../../src/onnx/lower/cpu.ts";
import { lower } from "../../../src/onnx/lower/lowering.ts";
import type { ExecutionProvider } from "../../../src/onnx/lower/providers.ts";
import type { ComputeType } from "../../../src/onnx/lower/spellings.ts";
import { bindWeights } from "../../../src/runtime/bind-weights.ts";
import { externalLocation, sessionOptions } from "../../../src/runtime/execution-providers.ts";
import { openWeights } from "../../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../../src/weights/quantize-checkpoint.ts";
import { type StepShape, openUnet, plainCase, readCase, relativeError } from "./open-unet.ts";
import type { Profile } from "./read-profile.ts";
import { onProcessor, runAll, runOnce, traceRuns } from "./run-step.ts";
import { takesBlocks, variantLowering } from "./variants.ts";

export interface MeasureOptions {
  readonly variant: string;
  readonly shape: StepShape;
  readonly runs: number;
  readonly provider: string;
  readonly type: string;
  /** Inputs and the expected result; without it they are made up and the processor tells what is expected. */
  readonly case?: string;
  /** Nothing is compared. */
  readonly alone: boolean;
  /** Where the weights in blocks are kept, or made. */
  readonly blocks?: string;
  /** Optimizers of onnxruntime's that are left out, separated by semicolons. */
  readonly without?: string;
  /** What does not change from step to step (the text) is computed once and stays on the card: the step is the rest. */
  readonly hoisted: boolean;
  /** Where a trace is written; one more session is made for it, and none for a hoisted step. */
  readonly profile?: string;
}

export interface Measured {
  readonly nodes: number;
  /** Of the checkpoint's tensors. */
  readonly weightBytes: number;
  /** Building and lowering the graph, and making the model's bytes. */
  readonly lowerSeconds: number;
  /** Making the session: the weights are on their way to the card. */
  readonly createSeconds: number;
  /** The first step: shaders are compiled, and the weights have arrived. */
  readonly firstSeconds: number;
  /** Median of the other steps, inputs and result carried to the card and back. */
  readonly stepMs: number;
  readonly stepsMs: readonly number[];
  /** √(Σ(a - b)² / Σb²) against `expected`. */
  readonly error?: number;
  readonly rms: number;
  /** Highest of this process. */
  readonly residentMB: number;
  readonly profile?: Profile;
}

export async function measureVariant(folder: string, options: MeasureOptions): Promise<Measured> {
  const { variant, shape, runs, blocks = "." } = options;
  const weightsFolder = takesBlocks(variant) ? await blocksOf(folder, blocks) : folder;
  const start = performance.now();
  const graph = await openUnet(folder, shape);
  const weights = await openWeights(weightsFolder);
  const provider = options.provider as ExecutionProvider;
  const lowering = provider === "cpu" ? cpu : variantLowering(variant, options.type as ComputeType);
  const parts = options.hoisted ? hoist(graph, ["sample", "timestep"]) : undefined;
  const [whole, once] = parts ? [parts.rest, parts.once] : [graph, undefined];
  const look = await bindWeights(weights);
  const lowered = lower(whole, look, lowering);
  const model = encodeModel(lowered, lowering.opset, externalLocation);
  const onceModel = once && encodeModel(lower(once, look, lowering), lowering.opset, externalLocation);
  const lowerSeconds = since(start);
  const step = options.case === undefined ? plainCase(graph) : await readCase(graph, options.case);

  const created = performance.now();
  const sessionSettings = withoutOptimizers(sessionOptions[provider]("mapped"), options.without);
  const location = provider === "cpu" ? "cpu" : "gpu-buffer";
  const first =
    onceModel &&
    (await ort.InferenceSession.create(onceModel, { ...sessionSettings, preferredOutputLocation: location }));
  const session = await ort.InferenceSession.create(model, sessionSettings);
  const createSeconds = since(created);
  const fixed = first && once ? await runAll(first, once, step.feeds) : {};
  const feeds = { ...step.feeds, ...fixed };
  const times: number[] = [];
  let output: Float32Array = new Float32Array();
  try {
    for (let at = 0; at <= runs; at++) {
      const before = performance.now();
      output = await runOnce(session, whole, feeds);
      times.push(performance.now() - before);
    }
  } finally {
    for (const tensor of Object.values(fixed)) tensor.dispose();
    await session.release();
    await first?.release();
  }
  const [firstMs = 0, ...stepsMs] = times;
  const residentMB = highWaterMB(); // before the reference and the trace add theirs
  const expected = step.expected ?? (options.alone ? undefined : await onProcessor(graph, folder, step.feeds));
  return {
    nodes: lowered.nodes.length,
    weightBytes: weights.totalBytes,
    lowerSeconds,
    createSeconds,
    firstSeconds: firstMs / 1000,
    stepMs: median(stepsMs),
    stepsMs,
    ...(expected ? { error: relativeError(output, expected) } : {}),
    rms: Math.sqrt(output.reduce((sum, value) => sum + value * value, 0) / output.length),
    residentMB,
    ...(options.profile === undefined || options.hoisted
      ? {}
      : { profile: await traceRuns(model, graph, step.feeds, sessionSettings, options.profile) }),
  };
}

/** @returns the folder of the UNet's weights in blocks, made if it is not in the cache. */
export async function blocksOf(folder: string, cache: string): Promise<string> {
  return quantizeIntoCache(await openWeights(folder), cache, "unet");
}

type Options = ort.InferenceSession.SessionOptions;

function withoutOptimizers(settings: Options, names: string | undefined): Options {
  if (names === undefined) return settings;
  const extra = settings.extra as Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  const own = extra?.["optimization"];
  const disabled = [own?.["disable_specified_optimizers"], names].filter(Boolean).join(";");
  return { ...settings, extra: { ...extra, optimization: { ...own, disable_specified_optimizers: disabled } } };
}

const since = (start: number): number => (performance.now() - start) / 1000;

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

function highWaterMB(): number {
  const [, kB = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Math.round((Number(kB) * 1024) / 1e6);
}
