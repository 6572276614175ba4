/**
 * @module networks/content-key
 * What tells an open network from another one: all that it was opened from. Two with the same key compute the same.
 */

import { createHash } from "node:crypto";
import { readFileMark } from "../files/file-mark.ts";

/**
 * @param opened graphs and settings.
 * @param files  of weights: by their names, sizes and times, for reading them would take longer than opening the network.
 */
export async function contentKey(opened: object, files: readonly string[]): Promise<string> {
  const marks = await Promise.all(files.map(async (file) => [file, await readFileMark(file)]));
  return createHash("sha256")
    .update(JSON.stringify([opened, marks], plain))
    .digest("hex");
}

/** JSON has no maps, no typed arrays and no large integers. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Map) return [...value];
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  return value;
}
