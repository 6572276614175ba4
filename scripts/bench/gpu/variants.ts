/** The ways of lowering a UNet that are measured, by name. */

import type { Lowering } from "../../../src/onnx/lower/lower.ts";
import type { ComputeType } from "../../../src/onnx/lower/decompositions.ts";
import { cuda } from "../../../src/onnx/lower/cuda/cuda.ts";
import { cudaVariants } from "../../../src/onnx/lower/cuda/variants.ts";
import { webgpu } from "../../../src/onnx/lower/webgpu/webgpu.ts";
import { webgpuVariants } from "../../../src/onnx/lower/webgpu/variants.ts";

/** After a variant of cuda's: with the UNet's weights in 8-bit blocks. */
const BLOCKS = "+8bit";

/** @param blocks the folder of the UNet's weights in blocks; without it only what takes the stored ones. */
export function variantNames(provider: string, blocks: string | undefined): string[] {
  if (provider === "cuda") return Object.keys(cudaVariants);
  return Object.entries(webgpuVariants)
    .filter(([, { weights }]) => weights === "stored" || blocks !== undefined)
    .map(([name]) => name);
}

export function variantLowering(provider: string, name: string, type: ComputeType): Lowering {
  const plain = name.replace(BLOCKS, "");
  if (provider === "cuda" && cudaVariants[plain]) return cuda(type, cudaVariants[plain]);
  const choices = webgpuVariants[name];
  if (provider === "webgpu" && choices) return webgpu(type, choices);
  throw new Error(`there is no variant ${name} for ${provider}`);
}

/** What the sessions of a variant of cuda's are told. */
export function cudaSession(name: string): { readonly foldsSmall?: boolean } {
  const choices = cudaVariants[name.replace(BLOCKS, "")];
  return choices ? { foldsSmall: choices.foldsSmall } : {};
}

export const takesBlocks = (name: string): boolean =>
  name.endsWith(BLOCKS) || webgpuVariants[name]?.weights === "blocks";
