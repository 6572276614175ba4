/**
 * @module cli/config-file
 * The user's own defaults: config.json in the program's configuration folder, long option names -> values.
 *
 *     { "model": "if-xl", "output-folder": "/home/me/images", "watermark": false }
 */

import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { OutputError, UsageError, whyNotWritten } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { replaceFile } from "../files/replace-file.ts";
import { configFolder } from "../machine/folders.ts";

export type ConfigValue = string | number | boolean;

export const configSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const limits = { maxBytes: 100_000, maxDepth: 2, maxValues: 1_000 };

export const configPath = (): string => join(configFolder(), "config.json");

/** @returns its entries; none if there is no such file. @throws {UsageError} it cannot be read or understood. */
export async function readConfig(path = configPath()): Promise<Readonly<Record<string, ConfigValue>>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw new UsageError(`${path} cannot be read: ${code ?? "unknown reason"}.`, { cause });
  }
  const parsed = configSchema.safeParse(parseJson(bytes, limits, path, UsageError));
  if (parsed.success) return parsed.data;
  throw new UsageError(`${path} must be one JSON object of option names and texts, numbers, true or false.`);
}

/** @throws {OutputError} it cannot be written. */
export async function writeConfig(config: Readonly<Record<string, ConfigValue>>, path = configPath()): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, `${JSON.stringify(config, null, 2)}\n`);
  } catch (cause) {
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}
