/**
 * @module onnx/lower/providers
 * The execution providers, one row of traits each. What differs between them is asked of the row: no other module compares
 * a provider's name.
 */

import type { Graph } from "../graph.ts";
import type { HoistedForm } from "../hoist.ts";
import { cudaMemory } from "../cuda-memory.ts";
import { type DeviceMemory, webgpuMemory } from "../webgpu-memory.ts";
import { cpu } from "./cpu/cpu.ts";
import { cuda } from "./cuda/cuda.ts";
import { cudaDefaultFor } from "./cuda/variants.ts";
import { type Lowering, lower } from "./lower.ts";
import type { ExecutionProvider } from "./provider-names.ts";
import type { WeightLookup } from "./rewriting.ts";
import type { ComputeType } from "./decompositions.ts";
import { webgpuDefaults } from "./webgpu/variants.ts";
import { webgpu } from "./webgpu/webgpu.ts";

/** How a checkpoint holds its matrices and kernels: each as it was published, or in 8-bit blocks with one scale each. */
export type WeightFormat = "stored" | "blocks";

/** An image of 64 x 64 pixels with guidance. */
export const FEW_PIXELS = 2 * 64 ** 2;

/** What the lowering of a network depends on besides the network and its weights. */
export interface LoweringSettings {
  /** Ignored by providers that compute in float32 alone. */
  readonly computeType: ComputeType;
  readonly weightFormat: WeightFormat;
  /** Have its feature maps FEW_PIXELS at most, all samples together? @default false */
  readonly fewPixels?: boolean;
  /** Are images fed and given in float16 where that is computed in (`Lowering.narrowsImages`)? @default false */
  readonly narrowsImages?: boolean;
}

/** Libraries that a provider needs besides onnxruntime-node's own. */
export interface ProviderRequirements {
  /** `linux/x64` and the like; null: everywhere. */
  readonly platforms: readonly string[] | null;
  /** Files that must lie beside onnxruntime's own, and the command that puts them there. */
  readonly files: readonly string[];
  readonly installCommand?: string;
  /** Of `files`, the one that says itself which libraries it needs and which version of onnxruntime it belongs to. */
  readonly linkedFile?: string;
  /** Further shared libraries by the names that Linux's loader knows, and what to install where one is missing. */
  readonly libraries: readonly { readonly name: string; readonly install: string }[];
}

export interface ProviderTraits {
  readonly name: ExecutionProvider;
  /** The CPU provider: it always works, its numbers are the reference's, and it keeps weights mapped from their files. */
  readonly isCpu: boolean;
  readonly computeTypes: readonly ComputeType[];
  readonly lowering: (settings: LoweringSettings) => Lowering;
  /** Results of one session can stay on the device and be fed to another one, from JavaScript. */
  readonly keepsResults: boolean;
  /** How results that do not change from step to step are passed on; null: they are not computed beforehand. */
  readonly hoistedForm: ((settings: LoweringSettings) => HoistedForm) | null;
  /** Predicts the device's own memory from the lowered graphs that are open at once; null: it has none but RAM. */
  readonly deviceMemory: ((graphs: readonly Graph[], settings: LoweringSettings) => DeviceMemory) | null;
  /** RAM while a network is loaded: a fixed part, and its largest weight so many times. */
  readonly loading: { readonly bytes: number; readonly largestWeights: number };
  /**
   * Pixels of feature maps at their largest, over all images of a call, from which on a larger call gives no more images a
   * second: so many jobs are drawn at once.
   */
  readonly busyPixels: number;
  /** Can T5 be moved to it: `--text-encoder-device gpu`? */
  readonly takesTextEncoder: boolean;
  /** Groups of jobs that are drawn side by side, so that the device does not wait for what this process does between steps. */
  readonly groupsAtOnce: number;
  /**
   * Threads at most in which images' steps are taken while the device computes; of one image, the noise of its steps is drawn in
   * one of them. 0: all is done in the one that calls the network.
   */
  readonly schedulingThreads: number;
  /** `auto` takes the first that works, in ascending order; some are only tried where NVIDIA hardware is. */
  readonly auto: { readonly rank: number; readonly onlyNvidia: boolean };
  /** It cannot work without an NVIDIA GPU, whoever asks for it. */
  readonly needsNvidia: boolean;
  /** `--device-id` chooses among several GPUs. */
  readonly takesDeviceId: boolean;
  readonly requirements: ProviderRequirements;
}

const NOTHING: ProviderRequirements = { platforms: null, files: [], libraries: [] };

export const providers: Readonly<Record<ExecutionProvider, ProviderTraits>> = {
  cpu: {
    name: "cpu",
    isCpu: true,
    computeTypes: ["float32"],
    lowering: () => cpu,
    keepsResults: true, // the process's memory is the device's
    hoistedForm: () => ({ dtype: "float32", tokensFirst: false }),
    deviceMemory: null,
    loading: { bytes: 0, largestWeights: 0 },
    busyPixels: 8 * 64 ** 2, // measured: docs/notebook/performance.md
    takesTextEncoder: false, // it is where T5 runs anyway
    groupsAtOnce: 1, // the device is this process
    schedulingThreads: 0, // onnxruntime has the cores
    auto: { rank: 2, onlyNvidia: false },
    needsNvidia: false,
    takesDeviceId: false,
    requirements: NOTHING,
  },
  cuda: {
    name: "cuda",
    isCpu: false,
    computeTypes: ["float16", "float32"],
    lowering: (settings) => cuda(settings.computeType, cudaDefaultFor(settings)),
    keepsResults: false, // a result's place can be chosen for webgpu alone
    hoistedForm: null, // carrying it to the GPU at each step takes longer than computing it again
    deviceMemory: cudaMemory,
    busyPixels: 4 * 256 ** 2, // measured with four images a call (docs/notebook/cuda.md)
    takesTextEncoder: true,
    groupsAtOnce: 2, // one is in the network while threads take the other's step (docs/notebook/cuda.md)
    schedulingThreads: 4, // a group of four images takes its step while the other is in the network
    loading: { bytes: 1.55e9, largestWeights: 0 }, // 1.58 to 1.71 GB in all were measured (docs/notebook/cuda.md)
    auto: { rank: 0, onlyNvidia: true },
    needsNvidia: true,
    takesDeviceId: true,
    requirements: {
      platforms: ["linux/x64"],
      files: ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"],
      installCommand: "if-gen setup cuda",
      linkedFile: "libonnxruntime_providers_cuda.so",
      libraries: [],
    },
  },
  webgpu: {
    name: "webgpu",
    isCpu: false,
    computeTypes: ["float16", "float32"],
    lowering: ({ computeType, weightFormat }) => webgpu(computeType, webgpuDefaults[weightFormat]),
    keepsResults: true,
    hoistedForm: ({ computeType, weightFormat }) => ({ dtype: computeType, tokensFirst: weightFormat === "blocks" }),
    deviceMemory: (graphs, { weightFormat }) => webgpuMemory(graphs, webgpuDefaults[weightFormat].bufferCache),
    loading: { bytes: 0.12e9, largestWeights: 2 },
    takesTextEncoder: false, // not tried
    groupsAtOnce: 1, // two were not tried
    schedulingThreads: 0, // not tried
    busyPixels: 16 * 64 ** 2, // not measured
    auto: { rank: 1, onlyNvidia: true }, // measured on NVIDIA's GPUs alone: on others it has to be named
    needsNvidia: false,
    takesDeviceId: false,
    requirements: {
      ...NOTHING,
      libraries: [{ name: "libvulkan.so.1", install: "libvulkan1: apt-get install libvulkan1" }],
    },
  },
};

/** In the order in which `auto` tries them. */
export const providersInOrder: readonly ProviderTraits[] = Object.values(providers).toSorted(
  (a, b) => a.auto.rank - b.auto.rank,
);

/** @returns in how many threads the steps of so many jobs are taken; one job's thread draws the noise of its steps. */
export const schedulingThreadsFor = (provider: ExecutionProvider, jobs: number): number =>
  Math.min(providers[provider].schedulingThreads, jobs);

/** @returns the network as the provider runs it, and the opset at which it is to be encoded. */
export function lowerFor(
  provider: ExecutionProvider,
  graph: Graph,
  weights: WeightLookup,
  settings: LoweringSettings,
): { readonly graph: Graph; readonly opset: number } {
  const { narrowsImages = false } = settings;
  const lowering = { ...providers[provider].lowering(settings), narrowsImages };
  return { graph: lower(graph, weights, lowering), opset: lowering.opset };
}

/**
 * What a GPU computes a network in.
 * @param toleratesFloat16 are the network's numbers all within float16's range? T5's and the upscaler's VAE's are not.
 * @param variant          of the weight files: float32 ones were asked for by name, and are computed with as they are.
 */
export function computeTypeOf(toleratesFloat16: boolean, variant: string): ComputeType {
  return toleratesFloat16 && variant === "fp16" ? "float16" : "float32";
}
