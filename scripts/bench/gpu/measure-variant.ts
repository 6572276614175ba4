/** One UNet, lowered one way, in this process: loaded, run, timed, compared. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { encodeModel } from "../../../src/onnx/encode.ts";
import { hoist } from "../../../src/onnx/hoist.ts";
import { cpu } from "../../../src/onnx/lower/cpu/cpu.ts";
import { lower } from "../../../src/onnx/lower/lower.ts";
import { providers } from "../../../src/onnx/lower/providers.ts";
import type { ComputeType } from "../../../src/onnx/lower/decompositions.ts";
import { webgpuVariants } from "../../../src/onnx/lower/webgpu/variants.ts";
import { bindWeights } from "../../../src/runtime/bind-weights.ts";
import { copyName, copyOf } from "../../../src/runtime/hoisted-session.ts";
import { externalLocation, sessionOptions } from "../../../src/runtime/execution-providers.ts";
import { openWeights } from "../../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../../src/weights/quantize-checkpoint.ts";
import type { Graph } from "../../../src/onnx/graph.ts";
import type { Feed } from "../../../src/runtime/session.ts";
import { type StepShape, openUnet, plainCase, readCase, relativeError } from "./open-unet.ts";
import type { Profile } from "./read-profile.ts";
import { onCpu, runAll, runOnce, traceRuns } from "./run-step.ts";
import { cudaSession, takesBlocks, variantLowering } from "./variants.ts";
import type { ExecutionProvider } from "../../../src/onnx/lower/provider-names.ts";

export interface MeasureOptions {
  readonly variant: string;
  readonly shape: StepShape;
  readonly runs: number;
  readonly provider: string;
  readonly type: string;
  /** Inputs and the expected result; without it they are made up and the CPU tells what is expected. */
  readonly case?: string;
  /** Nothing is compared. */
  readonly alone: boolean;
  /** The CPU takes the variant's weights, so that the error is not that of 8 bits too. */
  readonly sameWeights: boolean;
  /** Where the weights in blocks are kept, or made. */
  readonly blocks?: string;
  /** Optimizers of onnxruntime's that are left out, separated by semicolons. */
  readonly without?: string;
  /** Of the provider's, `name=value` separated by commas, in place of the program's own. */
  readonly settings?: string;
  /** What does not change from step to step (the text) is computed once and stays on the GPU: the step is the rest. */
  readonly hoisted: boolean;
  /** That on the CPU, so that its weights do not come to the GPU. */
  readonly sparesGpu: boolean;
  /** `on` or `off`: whether onnxruntime plans its buffers as one; as the program does if absent. */
  readonly memoryPattern?: string;
  /** Where a trace is written; one more session is made for it. */
  readonly profile?: string;
}

export interface Measured {
  readonly nodes: number;
  /** Of the checkpoint's tensors. */
  readonly weightBytes: number;
  /** Building and lowering the graph, and making the model's bytes. */
  readonly lowerSeconds: number;
  /** Making the session: the weights are on their way to the GPU. */
  readonly createSeconds: number;
  /** The same, with the process's own time and its page faults. */
  readonly loading: Usage;
  /** The GPU's memory in use, all processes: when the session is there, after the first step, after the last. */
  readonly memoryMiB?: readonly [loaded: number, first: number, last: number];
  /** The first step: shaders are compiled, and the weights have arrived. */
  readonly firstSeconds: number;
  /** Median of the other steps, inputs and result carried to the GPU and back. */
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
  const lowering = provider === "cpu" ? cpu : variantLowering(provider, variant, options.type as ComputeType);
  const form = providers[provider].hoistedForm?.({
    computeType: options.type as ComputeType,
    weightFormat: takesBlocks(variant) ? "blocks" : "stored",
  });
  const parts = options.hoisted && form ? hoist(graph, ["sample", "timestep"], form) : undefined;
  const [whole, once] = parts ? [parts.rest, parts.once] : [graph, undefined];
  const look = await bindWeights(weights);
  const lowered = lower(whole, look, lowering);
  const model = encodeModel(lowered, lowering.opset, externalLocation);
  const encode = (part: Graph): Uint8Array =>
    encodeModel(lower(part, look, lowering), lowering.opset, externalLocation);
  const first = once && {
    graph: once,
    model: options.sparesGpu ? encodeModel(lower(once, look, cpu), cpu.opset, externalLocation) : encode(once),
    copies: options.sparesGpu ? encode(copyOf(once.outputs)) : undefined,
  };
  const lowerSeconds = since(start);
  const step = options.case === undefined ? plainCase(graph) : await readCase(graph, options.case);

  const sessionSettings = withProviderSettings(
    withoutOptimizers(
      sessionOptions[provider]("mapped", {
        weightFormat: takesBlocks(variant) ? "blocks" : "stored",
        ...webgpuVariants[variant],
        ...cudaSession(variant),
      }),
      options.without,
    ),
    options.settings,
  );
  const optionsOfSession = {
    ...sessionSettings,
    ...(options.memoryPattern === undefined ? {} : { enableMemPattern: options.memoryPattern === "on" }),
  };
  const began = usage();
  const session = await ort.InferenceSession.create(model, optionsOfSession);
  const loading = usageSince(began);
  const loadedMiB = gpuMemoryMiB();
  const times: number[] = [];
  let output: Float32Array = new Float32Array();
  let [residentMB, firstMiB, lastMiB] = [0, 0 as number | undefined, 0 as number | undefined];
  let profile: Profile | undefined;
  const runSteps = async (fixed: Readonly<Record<string, ort.Tensor>>): Promise<void> => {
    const feeds = { ...step.feeds, ...fixed };
    for (let at = 0; at <= runs; at++) {
      const before = performance.now();
      output = await runOnce(session, lowered, feeds);
      times.push(performance.now() - before);
      if (at === 0) firstMiB = gpuMemoryMiB();
    }
    lastMiB = gpuMemoryMiB();
    residentMB = highWaterMB(); // before the reference and the trace add theirs
    if (options.profile) profile = await traceRuns(model, lowered, feeds, sessionSettings, options.profile);
  };
  try {
    await (first ? withFixed(first, step.feeds, sessionSettings, runSteps) : runSteps({}));
  } finally {
    await session.release();
  }
  const [firstMs = 0, ...stepsMs] = times;
  const expected =
    step.expected ??
    (options.alone ? undefined : await onCpu(graph, options.sameWeights ? weightsFolder : folder, step.feeds));
  return {
    nodes: lowered.nodes.length,
    weightBytes: weights.totalBytes,
    lowerSeconds,
    createSeconds: loading.seconds,
    loading,
    ...(loadedMiB === undefined ? {} : { memoryMiB: [loadedMiB, firstMiB ?? 0, lastMiB ?? 0] as const }),
    firstSeconds: firstMs / 1000,
    stepMs: median(stepsMs),
    stepsMs,
    ...(expected ? { error: relativeError(output, expected) } : {}),
    rms: Math.sqrt(output.reduce((sum, value) => sum + value * value, 0) / output.length),
    residentMB,
    ...(profile ? { profile } : {}),
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
  const optimization = extra?.["optimization"];
  const disabled = [optimization?.["disable_specified_optimizers"], names].filter(Boolean).join(";");
  return {
    ...settings,
    extra: { ...extra, optimization: { ...optimization, disable_specified_optimizers: disabled } },
  };
}

function withProviderSettings(settings: Options, assignments: string | undefined): Options {
  if (assignments === undefined) return settings;
  const [first] = settings.executionProviders ?? [];
  const named = typeof first === "object" ? first : { name: first };
  const pairs = assignments.split(",").map((pair) => pair.split("=") as [string, string]);
  return { ...settings, executionProviders: [{ ...named, ...Object.fromEntries(pairs) } as { name: string }] };
}

/** What stays the same from step to step, made as runtime/hoisted-session does: with `copies`, on the CPU. */
async function withFixed<T>(
  { model, graph, copies }: { model: Uint8Array; graph: Graph; copies: Uint8Array | undefined },
  feeds: Readonly<Record<string, Feed>>,
  settings: Options,
  use: (fixed: Readonly<Record<string, ort.Tensor>>) => Promise<T>,
): Promise<T> {
  const onGpu = { ...settings, preferredOutputLocation: "gpu-buffer" as const };
  const session = await ort.InferenceSession.create(model, copies ? sessionOptions.cpu("mapped") : onGpu);
  const copier = copies && (await ort.InferenceSession.create(copies, onGpu));
  const results = await runAll(session, graph, feeds);
  const onIt = copier ? await copier.run(results) : results;
  const name = copier ? copyName : (unchanged: string): string => unchanged;
  try {
    return await use(Object.fromEntries(graph.outputs.map((output) => [output.name, onIt[name(output.name)]!])));
  } finally {
    for (const tensor of Object.values(onIt)) tensor.dispose();
    await copier?.release();
    await session.release();
  }
}

interface Usage {
  readonly seconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly pageFaults: number;
}

function usage(): Usage {
  const { userCPUTime, systemCPUTime, minorPageFault, majorPageFault } = process.resourceUsage();
  return {
    seconds: performance.now() / 1000,
    userSeconds: userCPUTime / 1e6,
    systemSeconds: systemCPUTime / 1e6,
    pageFaults: minorPageFault + majorPageFault,
  };
}

function usageSince(began: Usage): Usage {
  const now = usage();
  return {
    seconds: now.seconds - began.seconds,
    userSeconds: now.userSeconds - began.userSeconds,
    systemSeconds: now.systemSeconds - began.systemSeconds,
    pageFaults: now.pageFaults - began.pageFaults,
  };
}

const since = (start: number): number => (performance.now() - start) / 1000;

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

function highWaterMB(): number {
  const [, kB = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Math.round((Number(kB) * 1024) / 1e6);
}

/** @returns undefined: there is no NVIDIA driver. */
function gpuMemoryMiB(): number | undefined {
  const query = spawnSync("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits"], {
    encoding: "utf8",
  });
  const [first = ""] = (query.stdout ?? "").split("\n");
  return first === "" ? undefined : Number(first);
}
