/**
 * @module image/read-image
 * Picture files -> RGB or gray bytes, as `PIL.Image.open(path).convert("RGB" | "L")` gives them.
 *
 * Alpha is dropped, not blended; 16-bit gray is cut off at 255 as Pillow cuts it (other 16-bit pictures keep their upper byte).
 * Two things differ from Pillow: AVIF with halved chroma (decoders interpolate it differently) and
 * the colour under the transparent pixels of a GIF (black here).
 */

import { type Decoded, decodePicture } from "./decode.ts";
import { type GrayImage, grayFromRgb, type Pixels, rgbFromCmyk, rgbFromPixels, type RgbImage } from "./pixels.ts";

export interface ReadOptions {
  /** Turn and mirror the picture as its EXIF data say, as diffusers' `load_image` does. Default true. */
  readonly orient?: boolean;
}

/**
 * @returns the picture in RGB.
 * @throws {InputImageError} no such file, not a picture, damaged, cut short, or too big.
 */
export async function readImage(path: string, { orient = true }: ReadOptions = {}): Promise<RgbImage> {
  return rgbFromDecoded(await decodePicture(path, orient));
}

/**
 * @returns the picture in gray: white is painted anew, black is kept.
 * @throws {InputImageError} no such file, not a picture, damaged, cut short, or too big.
 */
export async function readMask(path: string, options: ReadOptions = {}): Promise<GrayImage> {
  return grayFromRgb(await readImage(path, options));
}

function rgbFromDecoded(decoded: Decoded): RgbImage {
  const { width, height } = decoded;
  if (decoded.kind === "gray16") {
    return rgbFromPixels({
      data: Uint8Array.from(decoded.data, (value) => Math.min(value, 255)),
      width,
      height,
      channels: 1,
    });
  }
  if (decoded.kind === "cmyk") return rgbFromCmyk(decoded as Pixels<4>);
  return rgbFromPixels(decoded);
}
