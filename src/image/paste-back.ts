/**
 * @module image/paste-back
 * Puts the pixels of the original that were not to be repainted back over the result, with a soft seam: every pixel
 * outside the mask is the original's; inside, the result fades in over the first pixels from the edge.
 */

import type { GrayImage, RgbImage } from "./pixels.ts";
import { preprocessMaskTo } from "./preprocess.ts";
import { resizePil } from "./resize-pil.ts";

/** The seam is as wide as a pixel of the 256 px stage: finer than that the edge of the mask is not known. */
const SEAM_SHARE = 1 / 256;

/**
 * @param drawn    what the last stage made.
 * @param original of any size; it is resized to the result's as the reference resizes start images.
 * @param mask     white was repainted; of any size.
 * @returns        a new image of the size of `drawn`.
 */
export function pasteBack(drawn: RgbImage, original: RgbImage, mask: GrayImage): RgbImage {
  const { width, height } = drawn;
  const kept = resizePil(original, width, height);
  const seam = Math.max(1, Math.round(Math.min(width, height) * SEAM_SHARE));
  const share = softShare(preprocessMaskTo(mask, width, height).data, width, height, seam);
  const data = drawn.data.map((value, at) => {
    const weight = share[Math.floor(at / 3)] ?? 0;
    return Math.round(weight * value + (1 - weight) * (kept.data[at] ?? 0));
  });
  return { ...drawn, data };
}

/**
 * @param mask 1 inside, 0 outside.
 * @returns    0 outside; inside 1 / (seam + 1) at the edge, rising by as much per pixel to 1. The image's own border is no edge.
 */
function softShare(mask: Float32Array, width: number, height: number, seam: number): Float32Array {
  const sum = Float32Array.from(mask);
  let inside = mask;
  for (let layer = 0; layer < seam; layer++) {
    inside = erode(erode(inside, width, height, 1), width, height, width);
    for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] ?? 0) + (inside[at] ?? 0);
  }
  return sum.map((layers) => layers / (seam + 1));
}

/** @returns the least of each pixel and its two neighbours along a row (`step` 1) or a column (`step` the width). */
function erode(mask: Float32Array, width: number, height: number, step: number): Float32Array {
  const out = new Float32Array(mask.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const [first, last] = step === 1 ? [x === 0, x === width - 1] : [y === 0, y === height - 1];
      out[at] = Math.min(mask[at] ?? 0, first ? 1 : (mask[at - step] ?? 0), last ? 1 : (mask[at + step] ?? 0));
    }
  }
  return out;
}
