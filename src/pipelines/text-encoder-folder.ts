/**
 * @module pipelines/text-encoder-folder
 * Which weights T5 runs on: those of the checkpoint as they lie or, where 8 bits are asked for and the checkpoint has no
 * such file, int8 rows made of them once and kept in a cache.
 */

import { join } from "node:path";
import { openWeights } from "../weights/checkpoint.ts";
import { quantizeIntoCache } from "../weights/quantize-checkpoint.ts";
import { type Variant, listVariants, resolveVariant } from "../weights/variants.ts";

export interface TextEncoderSettings {
  readonly variant?: Variant;
  /** Where int8 weights are kept; absent: the checkpoint's weights are used as they are. */
  readonly textEncoderCache?: string;
  /** Called before weights are quantised, which takes a minute at full size. */
  readonly onQuantize?: () => void;
}

export const textEncoderVariants: readonly Variant[] = ["8bit", "fp16", "fp32"];

/** @returns a component folder and the variant to open there. */
export async function textEncoderFolder(
  checkpoint: string,
  { variant, textEncoderCache, onQuantize }: TextEncoderSettings,
): Promise<{ folder: string; variant: Variant }> {
  const folder = join(checkpoint, "text_encoder");
  if (textEncoderCache !== undefined && variant !== "8bit" && !(await listVariants(folder)).includes("8bit")) {
    const source = await openWeights(folder, await resolveVariant(folder, variant, textEncoderVariants));
    return { folder: await quantizeIntoCache(source, textEncoderCache, onQuantize), variant: "8bit" };
  }
  const wanted = textEncoderCache === undefined ? variant : "8bit";
  return { folder, variant: await resolveVariant(folder, wanted, textEncoderVariants) };
}
