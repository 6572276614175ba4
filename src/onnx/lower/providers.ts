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

/** In the order in which `auto` tries them. */
export const providerNames = ["cuda", "webgpu", "cpu"] as const;
export type ExecutionProvider = (typeof providerNames)[number];

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

/** All that the rest of the program must know of a provider: no other place compares names. */
export interface ProviderTraits {
  readonly isGpu: boolean;
  /** Can a result of one session stay on the device as an input of another, from JavaScript? */
  readonly keepsResults: boolean;
  /** How what is computed once is passed on (onnx/hoist); absent: carrying it there each step would cost more. */
  readonly hoisting?: (type: ComputeType, inBlocks: boolean) => HoistedForm;
  /** How its GPU memory is predicted: by replaying how the provider keeps buffers, or from the graph alone. */
  readonly memoryModel: "replay" | "graph";
  /** Does `--device-id` choose among several devices? */
  readonly takesDeviceId: boolean;
}

const asDescribed: HoistedForm = { dtype: "float32", inRows: false };

export const providers: Readonly<Record<ExecutionProvider, ProviderTraits>> = {
  cuda: { isGpu: true, keepsResults: false, memoryModel: "graph", takesDeviceId: true },
  webgpu: {
    isGpu: true,
    keepsResults: true,
    hoisting: (dtype, inRows) => ({ dtype, inRows }),
    memoryModel: "replay",
    takesDeviceId: false,
  },
  cpu: { isGpu: false, keepsResults: true, hoisting: () => asDescribed, memoryModel: "graph", takesDeviceId: false },
};
