/**
 * @module tokenizers/tokenizer-files
 * Reads a checkpoint's tokenizer folder; every failure is a CheckpointError that names the file.
 */

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";

/** The largest real one (CLIP's vocab.json) is 1 MB; beyond this it is some other file under that name. */
const maxFileBytes = 64 * 2 ** 20;

export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws {CheckpointError} missing, unreadable, or larger than any tokenizer file. */
export async function readTokenizerFile(folder: string, name: string): Promise<Uint8Array> {
  const path = join(folder, name);
  try {
    if ((await stat(path)).size > maxFileBytes) {
      throw new CheckpointError(`${path} is too large for a tokenizer file; download the checkpoint again.`);
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const what = isMissing(error) ? "does not exist" : "cannot be read";
    throw new CheckpointError(`${path} ${what}; the checkpoint needs its tokenizer, download it again.`, {
      cause: error,
    });
  }
}

/** @throws {CheckpointError} missing, or no JSON object. */
export async function readTokenizerJson(folder: string, name: string): Promise<JsonObject> {
  const bytes = await readTokenizerFile(folder, name);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new CheckpointError(`${join(folder, name)} is not valid JSON; download the checkpoint again.`, {
      cause: error,
    });
  }
  if (!isObject(value)) throw new CheckpointError(`${join(folder, name)} must hold a JSON object.`);
  return value;
}

/** As readTokenizerJson, but {} where there is no such file. */
export async function readOptionalTokenizerJson(folder: string, name: string): Promise<JsonObject> {
  try {
    return await readTokenizerJson(folder, name);
  } catch (error) {
    if (error instanceof CheckpointError && isMissing(error.cause)) return {};
    throw error;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
