/**
 * @module networks/if-unet
 * The UNet of IF's stages: `sample`, `timestep`, `encoder_hidden_states` and, in super-resolution, `class_labels`
 * -> (B, 2C, H, W).
 */

import { join } from "node:path";
import { buildIfUnet } from "../models/if-unet.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { textsPerImage } from "../plan/plan.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import { type NetworkDescription, TEXT_LENGTH, storedVariants, varyingInputs } from "./description.ts";

export interface DrawnShape {
  /** Images of one batch. */
  readonly images: number;
  readonly guidanceScale: number;
  /** Of how many parts of 77 tokens the text is. @default 1 */
  readonly textParts?: number | undefined;
  /** Is a positive prompt mixed in? Then it is a third text. */
  readonly positiveMixer?: number | undefined;
  /** Of the images the stage makes, in pixels. */
  readonly width: number;
  readonly height: number;
}

/** @param lora merged into its weights; absent: nothing. */
export async function describeIfUnet(
  checkpoint: string,
  shape: DrawnShape,
  lora?: LoraMerge,
): Promise<NetworkDescription> {
  const { images, width, height, textParts = 1 } = shape;
  const folder = join(checkpoint, "unet");
  const config = await readIfUnetConfig(folder);
  return {
    name: "UNet",
    folder,
    published: storedVariants,
    weights: "unet",
    lora,
    batch: textsPerImage(shape) * images,
    build: (batch) => buildIfUnet(config, { batch, height, width, textLength: textParts * TEXT_LENGTH }),
    fitsFloat16: true,
    canTile: false,
    varying: varyingInputs,
  };
}
