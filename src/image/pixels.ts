/**
 * @module image/pixels
 * Images of bytes, as Pillow's modes L, RGB, RGBA and CMYK hold them, and the conversions between them that Pillow's `convert` does.
 *
 * Letters: H height, W width, C channels. The layout is (H, W, C), rows from the top, no padding.
 * Source: behaviour of Pillow 12 (ITU-R 601-2 luma in 16-bit fixed point, CMYK without a colour profile, alpha dropped).
 */

/** Pixels of the largest image that is decoded or made by resizing; sharp's own default. */
export const pixelLimit = 0x3fff * 0x3fff;

export interface Pixels<C extends number = number> {
  /** H·W·C values 0..255. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: C;
}

export type GrayImage = Pixels<1>;
export type RgbImage = Pixels<3>;
export type RgbaImage = Pixels<4>;

/** @returns a·b/255 rounded, for bytes a and b. */
export function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/**
 * Where a conversion writes. `inPlace` takes the image's own memory, which it then is no longer: a large image is not held
 * twice. Only where the result has no more channels; the others take new memory.
 */
export type Placement = "new" | "inPlace";

function placeFor(image: Pixels, channels: number, placement: Placement): Uint8Array {
  const length = image.width * image.height * channels;
  return placement === "inPlace" && channels <= image.channels
    ? image.data.subarray(0, length)
    : new Uint8Array(length);
}

/** @returns red, green and blue of an image of 1 (gray), 2 (gray, alpha), 3 or 4 channels; alpha is dropped, not blended. */
export function rgbFromPixels(image: Pixels, placement: Placement = "new"): RgbImage {
  const { data, width, height, channels } = image;
  if (channels === 3) return { data, width, height, channels: 3 };
  const isGray = channels < 3;
  const rgb = placeFor(image, 3, placement);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[isGray ? from : from + 1]!;
    rgb[to + 2] = data[isGray ? from : from + 2]!;
  }
  return { data: rgb, width, height, channels: 3 };
}

/** @returns (1 - c)(1 - k) for each ink c, as Pillow computes it; inks are 255 where they cover the paper. */
export function rgbFromCmyk(image: Pixels<4>, placement: Placement = "new"): RgbImage {
  const { data, width, height } = image;
  const rgb = placeFor(image, 3, placement);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const white = 255 - data[from + 3]!;
    for (let ink = 0; ink < 3; ink++) {
      rgb[to + ink] = Math.max(0, white - multiplyBytes(data[from + ink]!, white));
    }
  }
  return { data: rgb, width, height, channels: 3 };
}

/** @returns the brightness of each pixel: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, rounded. */
export function grayFromRgb(image: RgbImage, placement: Placement = "new"): GrayImage {
  const { data, width, height } = image;
  const gray = placeFor(image, 1, placement);
  for (let to = 0, from = 0; to < gray.length; to++, from += 3) {
    gray[to] = (data[from]! * 19595 + data[from + 1]! * 38470 + data[from + 2]! * 7471 + 0x8000) >> 16;
  }
  return { data: gray, width, height, channels: 1 };
}

/** @returns colours multiplied by their alpha, so that resizing does not mix in the colour of what cannot be seen. */
export function premultiplyAlpha(image: RgbaImage): RgbaImage {
  const data = Uint8Array.from(image.data);
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3]!;
    for (let c = at; c < at + 3; c++) data[c] = multiplyBytes(data[c]!, alpha);
  }
  return { ...image, data };
}

/** @returns the inverse of {@link premultiplyAlpha}, rounded down; colours of alpha 0 stay as they are. */
export function unpremultiplyAlpha(image: RgbaImage): RgbaImage {
  const data = Uint8Array.from(image.data);
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = at; c < at + 3; c++) data[c] = Math.min(255, Math.floor((255 * data[c]!) / alpha));
  }
  return { ...image, data };
}
