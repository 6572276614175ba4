/** Changed copies of published files, for tests of the networks. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `use` on a folder that is gone afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "if-gen-models-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Reads a config.json that differs from `file` by `change`; keys that are undefined there are left out. */
export async function copyConfig<T>(
  file: string,
  change: Readonly<Record<string, unknown>>,
  read: (folder: string) => Promise<T>,
): Promise<T> {
  const json = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  return withFolder(async (folder) => {
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...json, ...change }));
    return read(folder);
  });
}

/** @returns shapes by name, without the buffers that older files carry along. */
export function shapesOf(
  tensors: Iterable<{ readonly name: string; readonly shape: readonly number[] }>,
): Record<string, readonly number[]> {
  const weights = [...tensors].filter(({ name }) => !name.endsWith("position_ids"));
  return Object.fromEntries(weights.map(({ name, shape }) => [name, shape]));
}
