/**
 * @module image/formats
 * The kinds of files that images are written as, by name and by the ends of file names.
 */

import { extname } from "node:path";

export const imageFormats = ["png", "jpeg", "webp", "avif", "tiff"] as const;
export type ImageFormat = (typeof imageFormats)[number];

/** Ends of file names; the first is the one that is given where there is none. */
const extensions: Readonly<Record<ImageFormat, readonly string[]>> = {
  png: [".png"],
  jpeg: [".jpg", ".jpeg"],
  webp: [".webp"],
  avif: [".avif"],
  tiff: [".tif", ".tiff"],
};

export const extensionOf = (format: ImageFormat): string => extensions[format][0] ?? "";

/** Every end of a name that is understood. */
export const imageExtensions: readonly string[] = imageFormats.flatMap((format) => extensions[format]);

/** @returns the format that a file's name asks for, in any case of letters; undefined: none of them. */
export function formatOfName(path: string): ImageFormat | undefined {
  const extension = extname(path).toLowerCase();
  return imageFormats.find((format) => extensions[format].includes(extension));
}
