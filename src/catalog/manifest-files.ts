/**
 * @module catalog/manifest-files
 * Where lists of models lie, and the names in them: without zod, since a shell asks for them whenever it starts.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../errors.ts";
import { configLimits, parseJson } from "../files/json.ts";
import { configFolder } from "../machine/folders.ts";

/** In the package's root: from src/catalog and from dist/program alike. */
export const ownModelsFile = fileURLToPath(new URL("../../models.json", import.meta.url));

/** Where users keep their own entries. */
export function userModelsFile(): string {
  return join(configFolder(), "models.json");
}

/** @returns names that `--model` takes; none of a user's file that cannot be read. Its entries are not checked. */
export function modelNames(userFile: string = userModelsFile()): string[] {
  return [...new Set([...namesIn(ownModelsFile), ...(existsSync(userFile) ? namesIn(userFile) : [])])];
}

function namesIn(file: string): string[] {
  try {
    const { cascades = {} } = (readManifestJson(file) ?? {}) as { cascades?: object };
    return Object.keys(cascades ?? {});
  } catch (error) {
    if (error instanceof CheckpointError) return [];
    throw error;
  }
}

/**
 * Its size is looked at first, and a device or a pipe is never opened.
 * @throws {CheckpointError} it is missing, no regular file, too large, or no JSON.
 */
export function readManifestJson(file: string): unknown {
  return parseJson(readRegular(file), configLimits, file, CheckpointError);
}

function readRegular(file: string): Uint8Array {
  try {
    const stats = statSync(file);
    if (stats.isFile() && stats.size <= configLimits.maxBytes) return readFileSync(file);
  } catch (cause) {
    throw new CheckpointError(`${file} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  throw new CheckpointError(
    `${file} is no list of models: it is no regular file, or larger than ${configLimits.maxBytes} bytes.`,
  );
}
