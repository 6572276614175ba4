/**
 * @module runtime/execution-providers
 * What the sessions of each execution provider are told. How graphs are lowered for it: onnx/lower/providers.
 */

import type { InferenceSession } from "onnxruntime-node";
import { FOLDED_BYTES } from "../onnx/lower/cuda/layers.ts";
import { cudaDefaultFor } from "../onnx/lower/cuda/variants.ts";
import type { WeightFormat } from "../onnx/lower/providers.ts";
import { webgpuDefaults } from "../onnx/lower/webgpu/variants.ts";
import type { BufferCacheMode } from "../onnx/webgpu-memory.ts";
import type { WeightMode } from "../onnx/weight-mode.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";

/** Each is ignored by providers that do not support it. */
export interface ProviderChoices {
  /** Which NVIDIA GPU, as CUDA counts them. */
  readonly deviceId?: number;
  /** The CPU's buffers stay from one run to the next instead of going back to the kernel after each use. */
  readonly keepBuffers?: boolean;
  /** The CPU runs the nodes in the graph's own order, on which the memory of a graph in tiles depends. */
  readonly inOrder?: boolean;
  /** How the network's weights lie: webgpu keeps dead buffers accordingly, unless `bufferCache` says how. */
  readonly weightFormat?: WeightFormat;
  /** Has the network so few pixels that the lowering differs (onnx/lower/providers)? @default false */
  readonly fewPixels?: boolean;
  /** Whether constants of a few kilobytes are folded with weights in blocks on cuda, in place of the lowering's own choice. */
  readonly foldsSmall?: boolean;
  /** How webgpu keeps dead buffers, in place of the weights' own way. */
  readonly bufferCache?: BufferCacheMode;
}

type SessionOptions = (mode: WeightMode, choices?: ProviderChoices) => InferenceSession.SessionOptions;

export const sessionOptions: Readonly<Record<ExecutionProvider, SessionOptions>> = {
  cpu: cpuOptions,
  cuda: (_, choices) => cudaOptions(choices),
  webgpu: (_, { bufferCache, weightFormat = "stored" } = {}) =>
    webgpuOptions(bufferCache ?? webgpuDefaults[weightFormat].bufferCache),
};

/** External data are found by their absolute path: the folder is the root, the location the path without it. */
const EXTERNAL_DATA_ROOT = "/";

function cpuOptions(
  mode: WeightMode,
  { keepBuffers = false, inOrder = false }: ProviderChoices = {},
): InferenceSession.SessionOptions {
  const mapped = mode === "mapped";
  return {
    executionProviders: ["cpu"],
    logSeverityLevel: 3,
    // "all" lays feature maps out in blocks, in its own order
    graphOptimizationLevel: mapped ? "disabled" : inOrder ? "extended" : "all",
    // The kernel clears every page it gives: a step of stage 2 takes a fifth less time with the arena. But the arena would
    // also keep the largest unpacked weights, and a decoder's feature maps: it grows by powers of two.
    enableCpuMemArena: keepBuffers && !mapped,
    enableMemPattern: false, // one block for a whole run has gaps: more memory than buffers of their own, no faster
    extra: {
      session: {
        model_external_initializers_file_folder_path: EXTERNAL_DATA_ROOT,
        ...(mapped ? { disable_prepacking: "1" } : {}),
        // Threads that wait for each other in a loop take a fifth of a run's CPU time and save none of its seconds.
        intra_op: { allow_spinning: "0" },
      },
    },
  };
}

/**
 * Weights go to the GPU without a copy in the process, and stay in their own type there: folded, float16 ones that are
 * computed with in float32 would take twice their size. Where a GPU's library is missing, making the session throws.
 */
function gpuOptions(
  name: "cuda" | "webgpu",
  leftOut: readonly string[] = [],
  foldedBytes = 2 ** 20,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [name],
    logSeverityLevel: 3,
    graphOptimizationLevel: "all",
    extra: {
      session: {
        model_external_initializers_file_folder_path: EXTERNAL_DATA_ROOT,
        use_device_allocator_for_initializers: "1",
      },
      optimization: {
        constant_folding_max_output_size_in_bytes: String(foldedBytes),
        disable_specified_optimizers: ["FuseFp16InitializerToFp32NodeTransformer", ...leftOut].join(";"),
      },
    },
  };
}

/**
 * Of a provider's options only those of its entry reach webgpu: onnxruntime reads `extra` after it has made the provider.
 * Gemm, which MatMulAddFusion makes of products and sums, is slower there: a step of IF-I-XL as stored took 376 ms with it, and
 * 357 to 361 without.
 */
function webgpuOptions(storageBufferCacheMode: BufferCacheMode): InferenceSession.SessionOptions {
  return {
    ...gpuOptions("webgpu", ["MatMulAddFusion"]),
    executionProviders: [{ name: "webgpu", storageBufferCacheMode }],
  };
}

/** Weights and biases of norms and layers, cast or joined: no kernel of a published network's is as small. */
const SMALL_FOLDED_BYTES = 64 * 2 ** 10;

/** The arena would grow by doubling; CUDA's own pool does not. Its limit cannot be set from JavaScript. */
function cudaOptions({
  deviceId,
  weightFormat = "stored",
  fewPixels = false,
  foldsSmall = cudaDefaultFor({ weightFormat, fewPixels }).foldsSmall,
}: ProviderChoices = {}): InferenceSession.SessionOptions {
  // Weights are unpacked a layer at a time. Folded or planned as one, all would be there at once; and a folded kernel is a
  // constant, which the provider turns as one that lies in its file (onnx/lower/cuda/layers).
  const isUnpacked = weightFormat === "blocks";
  const foldedBytes = isUnpacked ? SMALL_FOLDED_BYTES : FOLDED_BYTES;
  const { extra, ...options } = gpuOptions("cuda", isUnpacked && !foldsSmall ? ["ConstantFolding"] : [], foldedBytes);
  return {
    ...options,
    ...(isUnpacked ? { enableMemPattern: false } : {}),
    ...(deviceId === undefined ? {} : { executionProviders: [{ name: "cuda", deviceId }] }),
    extra: { ...extra, ep: { cuda: { arena: { use_cuda_mempool: "1" } } } },
  };
}

/** @returns `file` as ONNX external data must name it. */
export function externalLocation(file: string): string {
  return file.slice(EXTERNAL_DATA_ROOT.length);
}
