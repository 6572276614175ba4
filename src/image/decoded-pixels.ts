/**
 * @module image/decoded-pixels
 * What the decoder gave -> RGB or gray bytes, in the same memory where they fit in: a large image is not held twice.
 */

import type { Decoded } from "./decode.ts";
import { type GrayImage, grayFromRgb, type Pixels, rgbFromCmyk, rgbFromPixels, type RgbImage } from "./pixels.ts";

/** @returns Pillow's "RGB"; `decoded` is gone. */
export function rgbFromDecoded(decoded: Decoded): RgbImage {
  if (decoded.kind === "gray16") return rgbFromPixels(grayFromDeep(decoded));
  if (decoded.kind === "cmyk") return rgbFromCmyk(decoded as Pixels<4>, "inPlace");
  return rgbFromPixels(decoded, "inPlace");
}

/** @returns Pillow's "L"; `decoded` is gone. Gray stays as it is: the luma of equal colours is their value. */
export function grayFromDecoded(decoded: Decoded): GrayImage {
  if (decoded.kind === "gray16") return grayFromDeep(decoded);
  if (decoded.kind === "bytes" && decoded.channels < 3) return firstChannel(decoded);
  return grayFromRgb(rgbFromDecoded(decoded), "inPlace");
}

/** 16 bits, cut off at 255. */
function grayFromDeep({ data, width, height }: Decoded & { readonly kind: "gray16" }): GrayImage {
  const gray = new Uint8Array(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at < gray.length; at++) gray[at] = Math.min(data[at]!, 255);
  return { data: gray, width, height, channels: 1 };
}

function firstChannel({ data, width, height, channels }: Pixels): GrayImage {
  const gray = data.subarray(0, width * height);
  for (let to = 0, from = 0; to < gray.length; to++, from += channels) gray[to] = data[from]!;
  return { data: gray, width, height, channels: 1 };
}
