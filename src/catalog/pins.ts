/**
 * @module catalog/pins
 * if-gen.lock.json in HF_HOME, beside the cache: which commit a repository's revision stood for when it was pulled, with
 * the size and hash of each file. A later pull or run takes the same files, whatever has been published since.
 */

import { lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { HubError } from "../errors.ts";
import { sweepDrafts } from "../files/draft.ts";
import { makeFolder } from "../files/make-folder.ts";
import { readWords } from "../files/regular-file.ts";
import { replaceFile } from "../files/replace-file.ts";
import { withLock } from "../hub/lock.ts";
import type { RepoFile } from "../hub/types.ts";

const hex = (digits: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));

const pinnedFile = z.strictObject({
  path: z.string(),
  bytes: z.int().nonnegative(),
  sha256: hex(64).exactOptional(),
  gitOid: hex(40).exactOptional(),
});

const pin = z.strictObject({ commit: hex(40), files: z.array(pinnedFile) });
const pinsFile = z.strictObject({
  version: z.literal(1),
  /** By `organisation/name@revision`. */
  repositories: z.record(z.string(), pin),
});

export interface Pin {
  readonly commit: string;
  readonly files: readonly RepoFile[];
}

export type Pins = ReadonlyMap<string, Pin>;

/** The lock is held for milliseconds. */
const LOCK_MS = 10_000;

/** @param home HF_HOME. */
export const pinsPath = (home: string): string => join(home, "if-gen.lock.json");

export const pinKey = (repo: string, revision: string): string => `${repo}@${revision}`;

/** Some hundred bytes a file of a repository. */
const maxPinsBytes = 32_000_000;

/** @throws {HubError} cache: the file is there but cannot be understood. */
export function readPins(home: string): Pins {
  const path = pinsPath(home);
  const text = readWords(path, maxPinsBytes);
  if (text === undefined) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return new Map();
    throw new HubError(
      "cache",
      `${path} cannot be read: it is no regular file, not yours, or too large; move it away.`,
    );
  }
  try {
    return new Map(Object.entries(pinsFile.parse(JSON.parse(text)).repositories));
  } catch (cause) {
    throw new HubError(
      "cache",
      `${path} is not the list of pinned files this program wrote; delete it and pull again.`,
      {
        cause,
      },
    );
  }
}

/**
 * Adds a repository's files; those pinned before at the same commit stay, another commit takes the place of all.
 * The file is replaced whole, and processes that pull at the same time do not lose each other's entries.
 * @throws {HubError} cache: it cannot be written.
 */
export async function addPin(home: string, repo: string, revision: string, added: Pin): Promise<void> {
  const path = pinsPath(home);
  try {
    await makeFolder(dirname(path));
    await withLock(`${path}.lock`, { watchedPath: path, lockMs: LOCK_MS }, async () => {
      await sweepDrafts(dirname(path));
      const pins = new Map(readPins(home));
      pins.set(pinKey(repo, revision), mergePins(pins.get(pinKey(repo, revision)), added));
      await writeWhole(path, {
        version: 1,
        repositories: Object.fromEntries([...pins].sort(([a], [b]) => (a < b ? -1 : 1))),
      });
    });
  } catch (cause) {
    if (cause instanceof HubError) throw cause;
    throw new HubError("cache", `${path} cannot be written: ${(cause as Error).message}.`, { cause });
  }
}

/** Forgets every revision of a repository. */
export async function removePins(home: string, repo: string): Promise<void> {
  const path = pinsPath(home);
  const isOther = ([key]: [string, Pin]): boolean => key.slice(0, key.indexOf("@")) !== repo;
  if ([...readPins(home)].every(isOther)) return;
  await withLock(`${path}.lock`, { watchedPath: path, lockMs: LOCK_MS }, async () => {
    await writeWhole(path, { version: 1, repositories: Object.fromEntries([...readPins(home)].filter(isOther)) });
  });
}

function mergePins(before: Pin | undefined, added: Pin): Pin {
  const files = new Map(before?.commit === added.commit ? before.files.map((file) => [file.path, file]) : []);
  for (const file of added.files) files.set(file.path, file);
  return { commit: added.commit, files: [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

async function writeWhole(
  path: string,
  content: z.infer<typeof pinsFile> | { version: 1; repositories: unknown },
): Promise<void> {
  await replaceFile(path, `${JSON.stringify(content, null, 2)}\n`);
}
