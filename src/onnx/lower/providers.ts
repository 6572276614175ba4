/**
 * @module onnx/lower/providers
 * The execution providers by name, and how graphs are lowered for each.
 */

import type { HoistedForm } from "../hoist.ts";
import { cpu } from "./cpu.ts";
import { cuda } from "./cuda.ts";
import type { Lowering } from "./lowering.ts";
import type { ComputeType } from "./spellings.ts";
import type { WebgpuChoices } from "./webgpu-choices.ts";
import { webgpu } from "./webgpu.ts";

export type ExecutionProvider = "cpu" | "cuda" | "webgpu";

/**
 * The processor computes all in float32, whatever type the network stands. What a network becomes on WebGPU can be chosen:
 * webgpu-choices.
 */
export const lowerings: Readonly<Record<ExecutionProvider, (type: ComputeType, choices?: WebgpuChoices) => Lowering>> =
  {
    cpu: () => cpu,
    cuda: (type) => cuda(type),
    webgpu,
  };

/**
 * What a graphics card computes a network in.
 * @param fitsFloat16 are the network's numbers all within float16's range? T5's and the upscaler's VAE's are not.
 * @param variant     of the weight files: float32 ones were asked for by name, and are computed with as they are.
 */
export function computeTypeOf(fitsFloat16: boolean, variant: string): ComputeType {
  return fitsFloat16 && variant === "fp16" ? "float16" : "float32";
}

/** How what is computed once is passed on (onnx/hoist): on WebGPU as it is used there, else as the network has it. */
export function hoistedForm(
  provider: ExecutionProvider,
  type: ComputeType,
  { weights }: Pick<WebgpuChoices, "weights">,
): HoistedForm {
  return provider === "webgpu" ? { dtype: type, inRows: weights === "blocks" } : { dtype: "float32", inRows: false };
}
