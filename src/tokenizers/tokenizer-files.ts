/**
 * @module tokenizers/tokenizer-files
 * Reads a checkpoint's tokenizer folder; every failure is a CheckpointError that names the file.
 */

import { join } from "node:path";
import { stat } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { configLimits, type JsonLimits, parseJson } from "../files/json.ts";
import { readWhole } from "../files/regular-file.ts";

/** The largest of this cascade (CLIP's tokenizer.json) is 3 MB; beyond this it is some other file under that name. */
const maxFileBytes = 32_000_000;

export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws {CheckpointError} missing, unreadable, a device or a pipe, or larger than any tokenizer file. */
export async function readTokenizerFile(folder: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(folder, name);
  try {
    return await readWhole(path, maxFileBytes, CheckpointError);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new CheckpointError(`${path} does not exist; the checkpoint needs its tokenizer, download it again.`, {
      cause: (error as Error).cause,
    });
  }
}

/** Is there anything under that name, also what cannot be read? */
export async function hasTokenizerFile(folder: string, name: string): Promise<boolean> {
  return stat(join(folder, name)).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== "ENOENT",
  );
}

/** @throws {CheckpointError} missing, beyond the limits (those of a config if absent), or no JSON object. */
export async function readTokenizerJson(
  folder: string,
  name: string,
  limits: JsonLimits = configLimits,
): Promise<JsonObject> {
  const path = join(folder, name);
  const value = parseJson(await readTokenizerFile(folder, name), limits, path, CheckpointError);
  if (!isObject(value)) throw new CheckpointError(`${path} must hold a JSON object.`);
  return value;
}

/** As readTokenizerJson, but {} where there is no such file. */
export async function readOptionalTokenizerJson(folder: string, name: string): Promise<JsonObject> {
  return (await hasTokenizerFile(folder, name)) ? readTokenizerJson(folder, name) : {};
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof CheckpointError ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}
