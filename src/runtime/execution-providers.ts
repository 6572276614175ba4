/**
 * @module runtime/execution-providers
 * What the sessions of each execution provider are told. How graphs are lowered for it: onnx/lower/providers.
 */

import type { InferenceSession } from "onnxruntime-node";
import type { ExecutionProvider } from "../onnx/lower/providers.ts";
import type { WeightMode } from "../onnx/weight-mode.ts";

/** @param deviceId which NVIDIA GPU, as CUDA counts them; of no meaning to the others. */
type SessionOptions = (mode: WeightMode, deviceId?: number) => InferenceSession.SessionOptions;

export const sessionOptions: Readonly<Record<ExecutionProvider, SessionOptions>> = {
  cpu: cpuOptions,
  cuda: (_, deviceId) => cudaOptions(deviceId),
  webgpu: () => gpuOptions("webgpu"),
};

/** External data are found by their absolute path: the folder is the root, the location the path without it. */
const EXTERNAL_DATA_ROOT = "/";

function cpuOptions(mode: WeightMode): InferenceSession.SessionOptions {
  const mapped = mode === "mapped";
  return {
    executionProviders: ["cpu"],
    logSeverityLevel: 3,
    graphOptimizationLevel: mapped ? "disabled" : "all",
    enableCpuMemArena: false, // it would keep the largest unpacked weights, and grows by powers of two
    enableMemPattern: false, // one block for a whole run has gaps: more memory than buffers of their own, no faster
    extra: {
      session: {
        model_external_initializers_file_folder_path: EXTERNAL_DATA_ROOT,
        ...(mapped ? { disable_prepacking: "1" } : {}),
      },
    },
  };
}

/**
 * Weights go to the card without a copy in the process, and stay in their own type there: folded, float16 ones that are
 * computed with in float32 would take twice their size. Where a card's library is missing, making the session throws.
 */
function gpuOptions(name: "cuda" | "webgpu"): InferenceSession.SessionOptions {
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
        constant_folding_max_output_size_in_bytes: String(2 ** 20),
        disable_specified_optimizers: "FuseFp16InitializerToFp32NodeTransformer",
      },
    },
  };
}

/** The arena would grow by doubling; CUDA's own pool does not. Its limit cannot be set from JavaScript. */
function cudaOptions(deviceId: number | undefined): InferenceSession.SessionOptions {
  const { extra, ...options } = gpuOptions("cuda");
  return {
    ...options,
    ...(deviceId === undefined ? {} : { executionProviders: [{ name: "cuda", deviceId }] }),
    extra: { ...extra, ep: { cuda: { arena: { use_cuda_mempool: "1" } } } },
  };
}

/** @returns `file` as ONNX external data must name it. */
export function externalLocation(file: string): string {
  return file.slice(EXTERNAL_DATA_ROOT.length);
}
