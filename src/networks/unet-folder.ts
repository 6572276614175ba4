/**
 * @module networks/unet-folder
 * Which weights a UNet runs on: those of the checkpoint as they lie or, with `--unet-bits 8`, 8-bit blocks made of them
 * once and kept in a cache.
 */

import { join } from "node:path";
import type { UnetChoice } from "../plan/plan.ts";
import { openWeights } from "../weights/checkpoint.ts";
import { quantizeIntoCache } from "../weights/quantize-checkpoint.ts";
import { quantizedLayouts } from "../weights/quantized-layout.ts";
import { type Variant, resolveVariant } from "../weights/variants.ts";

export interface UnetSettings {
  readonly variant?: Variant;
  /** Absent: the checkpoint's weights are used as they are. */
  readonly unet?: UnetChoice;
  /** Called before weights are quantised, which takes a minute or more at full size. */
  readonly onQuantize?: () => void;
}

export const unetVariants: readonly Variant[] = ["fp16", "fp32"];

/** @returns a component folder and the variant to open there. */
export async function unetFolder(
  checkpoint: string,
  { variant, unet, onQuantize }: UnetSettings,
): Promise<{ folder: string; variant: Variant }> {
  const folder = join(checkpoint, "unet");
  const resolved = await resolveVariant(folder, variant, unetVariants);
  if (!unet) return { folder, variant: resolved };
  const quantized = await quantizeIntoCache(await openWeights(folder, resolved), unet.cache, "unet", onQuantize);
  return { folder: quantized, variant: quantizedLayouts.unet.variant };
}
