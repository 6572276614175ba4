/**
 * @module files/hash-file
 * What is in a file, told by its hash.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** Bytes that are read at once: files of weights have gigabytes. */
const READ_AT_ONCE = 2 ** 20;

/** @returns the sha256 of a file, in hexadecimal digits. System errors as they are. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: READ_AT_ONCE }), hash);
  return hash.digest("hex");
}
