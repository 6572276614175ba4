/**
 * @module image/convert
 * A PNG of this program as another kind of file, with its settings, and several as one sheet.
 *
 * The settings go with it as XMP (UTF-8, in all kinds), and as EXIF's ImageDescription, which is ASCII, where the kind has
 * EXIF. Source: EXIF 2.32, 4.6.4.
 */

import sharp, { type Sharp } from "sharp";
import type { ImageFormat } from "./formats.ts";
import { insertPngText, parsePngText } from "./png-text.ts";
import { PARAMETERS } from "./text-keywords.ts";
import { formatXmp } from "./xmp.ts";

const encoders: Readonly<Record<Exclude<ImageFormat, "png">, (image: Sharp) => Sharp>> = {
  jpeg: (image) => image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  webp: (image) => image.webp({ quality: 95 }),
  avif: (image) => image.avif({ quality: 80, chromaSubsampling: "4:4:4" }),
  tiff: (image) => image.tiff({ compression: "deflate" }), // lossless
};

/** @param png the bytes of a PNG. @returns the bytes of the other kind; of PNG itself, the same bytes. */
export async function convertPng(png: Buffer, format: ImageFormat): Promise<Buffer> {
  if (format === "png") return png;
  const texts = parsePngText(png);
  const parameters = texts.get(PARAMETERS);
  const image = sharp(png);
  if (parameters !== undefined) image.withXmp(formatXmp(texts)).withExif({ IFD0: { ImageDescription: parameters } });
  return encoders[format](image).toBuffer();
}

/** Between two images of a sheet, and around them. */
const GAP_PX = 8;

/**
 * @param pngs images of one size, at least one.
 * @returns a PNG of them in rows, as square as their number allows, with the settings of the first.
 */
export async function joinPngs(pngs: readonly Buffer[]): Promise<Buffer> {
  const [first] = pngs;
  if (!first) throw new Error("a sheet of no images");
  const { width, height } = await sharp(first).metadata();
  const columns = Math.ceil(Math.sqrt((pngs.length * height) / width));
  const rows = Math.ceil(pngs.length / columns);
  const sheet = await sharp({
    create: {
      width: columns * (width + GAP_PX) + GAP_PX,
      height: rows * (height + GAP_PX) + GAP_PX,
      channels: 3,
      background: "white",
    },
  })
    .composite(
      pngs.map((input, index) => ({
        input,
        left: GAP_PX + (index % columns) * (width + GAP_PX),
        top: GAP_PX + Math.floor(index / columns) * (height + GAP_PX),
      })),
    )
    .removeAlpha()
    .png()
    .toBuffer();
  return withSettingsOf(first, sheet);
}

/** @returns the sheet with the settings of its first image, if that is a PNG and has any. */
export function withSettingsOf(first: Buffer, sheet: Buffer): Buffer {
  const text = first.subarray(1, 4).toString("latin1") === "PNG" ? parsePngText(first).get(PARAMETERS) : undefined;
  return insertPngText(sheet, text === undefined ? new Map() : new Map([[PARAMETERS, text]]));
}
