/**
 * @module networks/if-unet
 * The UNet of IF's stages: `sample`, `timestep`, `encoder_hidden_states`, in super-resolution `class_labels` and, with a
 * style, `style_hidden_states` -> (B, 2C, H, W).
 */

import { join } from "node:path";
import { buildIfUnet } from "../models/if-unet.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { type StageTiles, textsPerImage } from "../plan/plan.ts";
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
  /** Does a style take the prompt's place in the time embedding? @default false */
  readonly styled?: boolean | undefined;
  /** Of the images the stage makes, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Absent: the network takes whole images. */
  readonly tiles?: StageTiles | undefined;
}

/** @returns the sides of what the network takes, and how many times as large the image is. */
export function networkSize({ width, height, tiles }: Pick<DrawnShape, "width" | "height" | "tiles">): {
  readonly width: number;
  readonly height: number;
  readonly areas: number;
} {
  const input = tiles ?? { width, height };
  return { width: input.width, height: input.height, areas: (width * height) / (input.width * input.height) };
}

/** @param lora merged into its weights; absent: nothing. */
export async function describeIfUnet(
  checkpoint: string,
  shape: DrawnShape,
  lora?: LoraMerge,
): Promise<NetworkDescription> {
  const { images, textParts = 1, styled } = shape;
  const { width, height, areas } = networkSize(shape);
  const folder = join(checkpoint, "unet");
  const config = await readIfUnetConfig(folder);
  return {
    name: "UNet",
    folder,
    published: storedVariants,
    weights: "unet",
    lora,
    batch: textsPerImage(shape) * images,
    build: (batch) => buildIfUnet(config, { batch, height, width, textLength: textParts * TEXT_LENGTH, styled }),
    fitsFloat16: true,
    canTile: false,
    areas,
    varying: varyingInputs,
  };
}
