/** The ways of lowering a UNet that are measured, by name. */

import type { Lowering } from "../../../src/onnx/lower/lower.ts";
import type { ComputeType } from "../../../src/onnx/lower/decompositions.ts";
import { lowerings } from "../../../src/onnx/lower/providers.ts";
import { webgpuVariants } from "../../../src/onnx/lower/webgpu/variants.ts";

/** @param blocks the folder of the UNet's weights in blocks; without it only what takes the stored ones. */
export function variantNames(blocks: string | undefined): string[] {
  return Object.entries(webgpuVariants)
    .filter(([, { weights }]) => weights === "stored" || blocks !== undefined)
    .map(([name]) => name);
}

export function variantLowering(name: string, type: ComputeType): Lowering {
  const choices = webgpuVariants[name];
  if (!choices) throw new Error(`there is no variant ${name}; there are ${Object.keys(webgpuVariants).join(", ")}`);
  return lowerings.webgpu(type, choices);
}

export const takesBlocks = (name: string): boolean => webgpuVariants[name]?.weights === "blocks";
