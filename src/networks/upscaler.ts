/**
 * @module networks/upscaler
 * The three networks of the x4 upscaler, in the order in which they run.
 */

import { join } from "node:path";
import { buildClipText, readClipTextConfig } from "../models/clip-text.ts";
import { buildSdUnetForTexts } from "../models/sd-unet.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import { buildVaeDecoder, readVaeConfig } from "../models/vae.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import { textsPerImage } from "../plan/plan.ts";
import { type NetworkDescription, TEXT_LENGTH, storedVariants, varyingInputs } from "./description.ts";
import { type DrawnShape, networkSize } from "./if-unet.ts";

export interface UpscalerNetworks {
  /** CLIP: `input_ids` -> (B, L, D). */
  readonly text: NetworkDescription;
  /** On latents: `sample`, `timestep`, `encoder_hidden_states`, `class_labels` (int64) -> (B, C, h, w). */
  readonly unet: NetworkDescription;
  /** One image at a time: `latents` (1, C, h, w), divided by the scaling factor -> (1, 3, H, W), about [-1, 1]. */
  readonly decoder: NetworkDescription;
}

/**
 * @param shape its sides are those of the enlarged images.
 * @param lora  merged into the UNet's weights; absent: nothing.
 */
export async function describeUpscaler(
  checkpoint: string,
  shape: DrawnShape,
  lora?: LoraMerge,
): Promise<UpscalerNetworks> {
  const folderOf = (component: string): string => join(checkpoint, component);
  const clip = await readClipTextConfig(folderOf("text_encoder"));
  const unet = await readSdUnetConfig(folderOf("unet"));
  const vae = await readVaeConfig(folderOf("vae"));
  const factor = 2 ** (vae.block_out_channels.length - 1);
  const size = networkSize(shape);
  const [height, width] = [size.height / factor, size.width / factor];
  const texts = textsPerImage({ guidanceScale: shape.guidanceScale }) === 1 ? 1 : 2;
  const samples = texts * shape.images;
  const sides = { height, width, textLength: TEXT_LENGTH };
  const stored = { published: storedVariants, weights: "stored", fitsFloat16: false, canTile: false } as const;
  return {
    text: {
      ...stored,
      name: "CLIP text",
      folder: folderOf("text_encoder"),
      batch: samples,
      build: (batch) => buildClipText(clip, { batch, textLength: TEXT_LENGTH }),
    },
    unet: {
      ...stored,
      name: "UNet",
      folder: folderOf("unet"),
      weights: "unet",
      lora,
      batch: samples,
      build: (batch) => buildSdUnetForTexts(unet, { ...sides, samples, texts }, batch),
      fitsFloat16: true,
      areas: size.areas,
      varying: varyingInputs,
    },
    decoder: {
      ...stored,
      name: "VAE decoder",
      folder: folderOf("vae"),
      batch: 1,
      build: (batch) => buildVaeDecoder(vae, { batch, height, width }),
      areas: size.areas,
      canTile: true,
    },
  };
}
