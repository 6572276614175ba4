/**
 * @module weights/derived-receipt
 * What says that a folder of the cache of derived weights is ours, whole and unchanged. `quantized.json` is written last and
 * holds the hash of every file, the config too; `checked.json` says which of them were hashed since they last changed, so
 * that gigabytes are read once per change and not at every run.
 */

import { stat, lstat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hashFile } from "../files/hash-file.ts";
import { sweepDrafts } from "../files/draft.ts";
import { fileMark, type FileMark, isSameMark, readFileMark } from "../files/file-mark.ts";
import { configLimits, readJsonFile } from "../files/json.ts";
import { replaceFile } from "../files/replace-file.ts";

const receiptFile = "quantized.json";
const marksFile = "checked.json";

const receiptSchema = z.strictObject({
  format: z.literal(4),
  /** 8, 4, "unet" or "lora": what was made. */
  kind: z.union([z.literal(8), z.literal(4), z.literal("unet"), z.literal("lora")]),
  /** The folder of the network it was made of. */
  source: z.string(),
  files: z.record(z.string(), z.strictObject({ bytes: z.int(), sha256: z.string() })),
});
const marksSchema = z.record(z.string(), fileMark);

export type Receipt = z.infer<typeof receiptSchema>;

/** @returns the receipt of a folder; undefined: it has none of ours. */
export async function readReceipt(folder: string): Promise<Receipt | undefined> {
  try {
    return receiptSchema.parse(await readJsonFile(join(folder, receiptFile), configLimits, Error));
  } catch {
    return undefined;
  }
}

/** Written when all files are there: their hashes are known, so none of them is read again before it changes. */
export async function writeReceipt(folder: string, receipt: Omit<Receipt, "format">): Promise<void> {
  await rememberMarks(folder, Object.keys(receipt.files));
  await replaceFile(join(folder, receiptFile), JSON.stringify({ format: 4, ...receipt }));
}

/**
 * Hashes the files that changed since they were hashed last, or all.
 * @param all also those whose size, times and place are the same: for a disk that is not trusted.
 * @returns what is wrong, as the end of a sentence; undefined: every file is the one that was written, and nobody else's.
 */
export async function derivedFault(folder: string, all = false): Promise<string | undefined> {
  await sweepDrafts(folder); // of `checked.json`, by a run that was killed
  const receipt = await readReceipt(folder);
  if (receipt === undefined) return "it has no receipt: it was not finished, or is from another version";
  const recordedMarks = all ? {} : await readMarks(folder);
  for (const [name, { bytes, sha256 }] of Object.entries(receipt.files)) {
    const path = join(folder, name);
    const stranger = await ownerFault(path);
    if (stranger !== undefined) return `${name} ${stranger}`;
    const mark = await readFileMark(path);
    if (mark?.bytes !== bytes) return `${name} has ${mark?.bytes ?? 0} bytes instead of ${bytes}`;
    if (!isSameMark(mark, recordedMarks[name]) && (await hashFile(path)) !== sha256) return `${name} has another hash`;
  }
  await rememberMarks(folder, Object.keys(receipt.files)).catch(() => {}); // a cache that may only be read
  return undefined;
}

/** @returns what a receipt holds of a file. */
export async function describeFile(path: string): Promise<{ bytes: number; sha256: string }> {
  return { bytes: (await stat(path)).size, sha256: await hashFile(path) };
}

/** A file that another user put there, or a link to elsewhere, is not what we wrote. root's is taken: a cache may be shared so. */
async function ownerFault(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return "is missing";
  if (!found.isFile()) return "is not a regular file";
  const userId = process.getuid?.();
  return userId === undefined || found.uid === userId || found.uid === 0 ? undefined : "belongs to another user";
}

async function readMarks(folder: string): Promise<Readonly<Record<string, FileMark>>> {
  try {
    return marksSchema.parse(await readJsonFile(join(folder, marksFile), configLimits, Error));
  } catch {
    return {};
  }
}

async function rememberMarks(folder: string, names: readonly string[]): Promise<void> {
  const recordedMarks = await readMarks(folder);
  const marks = await Promise.all(names.map(async (name) => [name, await readFileMark(join(folder, name))] as const));
  if (marks.every(([name, mark]) => isSameMark(mark, recordedMarks[name]))) return;
  await replaceFile(join(folder, marksFile), JSON.stringify(Object.fromEntries(marks)), { sync: false });
}
