/**
 * @module image/alpha
 * What an image's alpha channel holds, and a mask made of it. Pillow's conversions drop alpha without a word; what was
 * drawn there is lost, so it is said.
 */

import type { GrayImage, Pixels } from "./pixels.ts";

/** What is repainted: what can be seen through, as in ComfyUI and OpenAI's edits, or what covers. */
export type AlphaMask = "transparent" | "opaque";

export interface AlphaSummary {
  /** Pixels that are not fully opaque, as a share of all. */
  readonly transparentShare: number;
  /** Does alpha change from pixel to pixel: does it draw something? */
  readonly varies: boolean;
  /** Is what is opaque bright and the rest dark? Then the brightness says the same as alpha. */
  readonly isBright: boolean;
  /** The pixels with alpha above 0 are white, every one. */
  readonly isWhereSeenWhite: boolean;
  /** Most fully transparent pixels are black beneath. */
  readonly hidesBlack: boolean;
}

/** @param image of 2 (gray, alpha) or 4 channels; others have no alpha. */
export function summarizeAlpha(image: Pixels): AlphaSummary | undefined {
  const { data, channels } = image;
  if (channels !== 2 && channels !== 4) return undefined;
  const first = data[channels - 1];
  let [transparent, hidden, black] = [0, 0, 0];
  let [varies, isBright, isWhereSeenWhite] = [false, true, true];
  for (let at = 0; at < data.length; at += channels) {
    const alpha = data[at + channels - 1]!;
    const least = channels === 2 ? data[at]! : Math.min(data[at]!, data[at + 1]!, data[at + 2]!);
    const most = channels === 2 ? data[at]! : Math.max(data[at]!, data[at + 1]!, data[at + 2]!);
    if (alpha !== first) varies = true;
    if (alpha > 127 ? least <= 127 : most > 127) isBright = false;
    if (alpha < 255) transparent++;
    if (alpha > 0 && least < 250) isWhereSeenWhite = false;
    if (alpha === 0) {
      hidden++;
      if (most < 16) black++;
    }
  }
  return {
    transparentShare: transparent / Math.max(1, data.length / channels),
    varies,
    isBright,
    isWhereSeenWhite,
    hidesBlack: black * 2 > hidden,
  };
}

/** @returns white where the image is opaque or, asked for, where it can be seen through; grays in between. */
export function maskFromAlpha(image: Pixels, repaints: AlphaMask): GrayImage {
  const { data, width, height, channels } = image;
  const mask = new Uint8Array(width * height);
  for (let to = 0, from = channels - 1; to < mask.length; to++, from += channels) {
    mask[to] = repaints === "opaque" ? data[from]! : 255 - data[from]!;
  }
  return { data: mask, width, height, channels: 1 };
}
