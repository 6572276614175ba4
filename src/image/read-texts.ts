/**
 * @module image/read-texts
 * The texts that an image's file carries, of any kind but PNG (image/png-text): by the keywords that a PNG would have.
 */

import sharp from "sharp";
import { InputImageError } from "../errors.ts";
import { parseExifTexts } from "./exif-text.ts";
import { readImageFile } from "./image-file.ts";
import { unreadableKind } from "./image-kind.ts";
import { PARAMETERS } from "./text-keywords.ts";
import { parseXmp } from "./xmp.ts";

/** Larger blocks hold no settings. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;

/**
 * XMP and EXIF hold the same of our own images. AUTOMATIC1111 writes `parameters` as EXIF's UserComment, ComfyUI its
 * `prompt` and `workflow` into the tags of the camera's maker and model, each with its name in front.
 * @throws {InputImageError} the file cannot be read, or is no image.
 */
export async function readTexts(path: string): Promise<Map<string, string>> {
  const file = await readImageFile(path, unreadableKind);
  const { xmp, exif } = await sharp(file)
    .metadata()
    .catch((cause: unknown) => {
      throw new InputImageError(`${path} is no image, or a damaged one.`, { cause });
    });
  const tags = parseExifTexts(withinLimit(exif));
  const comment = tags.get("UserComment") ?? tags.get("ImageDescription");
  return new Map([
    ...(comment === undefined ? [] : [[PARAMETERS, comment] as const]),
    ...[tags.get("Make"), tags.get("Model")].flatMap((text) => {
      const [, name, json] = /^(prompt|workflow):\s*(\{.*)$/is.exec(text ?? "") ?? [];
      return name && json ? [[name.toLowerCase(), json] as const] : [];
    }),
    ...parseXmp(withinLimit(xmp).toString("utf8")),
  ]);
}

const withinLimit = (block: Buffer | undefined): Buffer =>
  block && block.length <= MAX_BLOCK_BYTES ? block : Buffer.alloc(0);
