/**
 * @module networks/text-encoder-folder
 * Which weights T5 runs on: those of the checkpoint as they lie or, where fewer bits are asked for than the checkpoint has,
 * int8 rows or 4-bit blocks made of them once and kept in a cache.
 */

import { join } from "node:path";
import type { TextEncoderChoice } from "../plan/plan.ts";
import { openWeights } from "../weights/checkpoint.ts";
import { quantizationSource, quantizeIntoCache } from "../weights/quantize-checkpoint.ts";
import { quantizedLayouts } from "../weights/quantized-layout.ts";
import { type Variant, resolveVariant } from "../weights/variants.ts";

export interface TextEncoderSettings {
  readonly variant?: Variant;
  /** Absent: the checkpoint's weights are used as they are. */
  readonly textEncoder?: TextEncoderChoice;
  /** Called before weights are quantised, which takes a minute at full size. */
  readonly onQuantize?: () => void;
}

export const textEncoderVariants: readonly Variant[] = ["8bit", "fp16", "fp32"];

/** @returns a component folder and the variant to open there. */
export async function textEncoderFolder(
  checkpoint: string,
  { variant, textEncoder, onQuantize }: TextEncoderSettings,
): Promise<{ folder: string; variant: Variant }> {
  const folder = join(checkpoint, "text_encoder");
  if (!textEncoder) return { folder, variant: await resolveVariant(folder, variant, textEncoderVariants) };
  const { bits, cache } = textEncoder;
  const source = await quantizationSource(folder, bits, variant);
  if (source.inPlace) return { folder, variant: source.variant };
  const quantized = await quantizeIntoCache(await openWeights(folder, source.variant), cache, bits, onQuantize);
  return { folder: quantized, variant: quantizedLayouts[bits].variant };
}
