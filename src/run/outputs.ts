/**
 * @module run/outputs
 * Where results go: names for one and for many, checked before anything is computed, and given at the end without ever
 * writing over a file that was not to be replaced.
 */

import { rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { hashFile } from "../files/hash-file.ts";
import { OutputError, UsageError, whyNotWritten } from "../errors.ts";
import { draftBeside } from "../files/draft.ts";
import { type ImageFormat, extensionOf, formatOfName, imageExtensions } from "../image/formats.ts";
import { makeFolder as makeFolders } from "../files/make-folder.ts";
import { nearestFolder } from "../machine/folders.ts";
import { isTaken, placeBeside, placeFile, targetOf } from "../files/place-file.ts";

/** The longest file name of common disks. */
const MAX_NAME_BYTES = 255;

/**
 * @param output a file's name, whose end says its format; with `format`, the end may be missing.
 * @returns one path per image: `car.png`, or `car-1.png`, `car-2.png`, ... when there are several.
 * @throws {UsageError} a name that says no format, or another one.
 */
export function imagePaths(output: string, count: number, format?: ImageFormat): string[] {
  const named = formatOfName(output);
  if (named === undefined && format !== undefined) return numbered(`${output}${extensionOf(format)}`, count);
  if (named === undefined) {
    throw new UsageError(
      `--output ${output}: the end of the name says the format; give one that ends in ${imageExtensions.join(", ")}.`,
    );
  }
  if (format === undefined || format === named) return numbered(output, count);
  throw new UsageError(
    `--output ${output} is ${named} by its name, and --format says ${format}; leave one of them out.`,
  );
}

/** @returns `car-7.png`, where the images of several seeds are drawn to `car.png`. */
export const seedPath = (output: string, seed: number | string): string =>
  `${output.slice(0, output.length - extname(output).length)}-${seed}${extname(output)}`;

/** @returns `name.png`, or `name-1.png`, ... for several. */
export function numbered(path: string, count: number): string[] {
  if (count === 1) return [path];
  const stem = path.slice(0, path.length - extname(path).length);
  return Array.from({ length: count }, (_, index) => `${stem}-${index + 1}${extname(path)}`);
}

/**
 * Looks at every file that a run will write: {@link checkWritable} and {@link checkDistinct}.
 * @param overwrite files that exist may be replaced.
 */
export async function checkOutputs(paths: readonly string[], overwrite: boolean): Promise<void> {
  await checkWritable(paths, overwrite);
  await checkDistinct(paths);
}

/**
 * Writes into each folder once.
 * @throws {OutputError} a file exists, is no regular file, has too long a name, or its folder is missing or not writable.
 */
export async function checkWritable(paths: readonly string[], overwrite: boolean): Promise<void> {
  const folders = new Set<string>();
  for (const path of paths) {
    await checkFolder(path, folders);
    await checkName(path, overwrite);
  }
}

/** Also of files whose folder is yet to be made. @throws {UsageError} two of them are the same file. */
export async function checkDistinct(paths: readonly string[]): Promise<void> {
  const targets = new Map<string, string>();
  for (const path of paths) {
    const target = await targetOf(path).catch(() => resolve(path));
    const twin = targets.get(target);
    if (twin !== undefined) throw new UsageError(`${path} and ${twin} are one file; give them different names.`);
    targets.set(target, path);
  }
}

async function checkName(path: string, overwrite: boolean): Promise<void> {
  if (Buffer.byteLength(basename(path)) > MAX_NAME_BYTES) {
    throw new OutputError(
      `the name of ${basename(path).slice(0, 40)}... is too long: ${MAX_NAME_BYTES} bytes at most.`,
    );
  }
  if (!(await isTaken(path))) return;
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new OutputError(`${path} is a folder; give a file's name.`);
  if (found && !found.isFile()) {
    throw new OutputError(`${path} is a device or a pipe; give a file's name, or - for standard output.`);
  }
  if (!overwrite) throw new OutputError(`${path} exists; give another name, or --overwrite to replace it.`);
}

/**
 * Whether a folder can be written to is told by the system alone, when something is written.
 * @param checked those that can be, to which this one is added.
 */
async function checkFolder(path: string, checked = new Set<string>()): Promise<void> {
  const folder = dirname(path);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw new OutputError(`${folder}, the folder of ${path}, does not exist; create it first.`);
  const target = dirname(await targetOf(path));
  if (checked.has(target)) return;
  checked.add(target);
  const draft = draftBeside(join(target, "x"));
  try {
    await writeFile(draft, "", { flag: "wx" });
  } catch (cause) {
    const folderExists = (cause as NodeJS.ErrnoException).code === "ENOENT"; // /proc and its like
    const reason = folderExists ? "its system takes no files; choose another folder" : whyNotWritten(cause);
    throw new OutputError(`nothing can be written in ${target}: ${reason}.`, { cause });
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

/** Could `folder` be made and written to? Makes nothing that stays. @throws {OutputError} it could not. */
export async function checkNewFolder(folder: string): Promise<void> {
  const nearest = nearestFolder(folder);
  const found = await stat(nearest).catch(() => undefined);
  if (!found?.isDirectory())
    throw new OutputError(`${nearest} is a file where a folder is needed; choose another place.`);
  return checkFolder(join(nearest, "x"));
}

/** Creates the folder of --save-stages. @throws {OutputError} it cannot be created. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await makeFolders(folder);
  } catch (cause) {
    throw new OutputError(`the folder ${folder} cannot be created: ${whyNotWritten(cause)}.`, { cause });
  }
}

/**
 * Copies a result to its place.
 * @throws {OutputError} it cannot be written; or another file appeared there: then the result lies beside it, which is said.
 */
export async function placeOutput(source: string, path: string, overwrite: boolean): Promise<void> {
  try {
    if (await placeFile(source, path, { replace: overwrite })) return;
    if (await isSameFile(source, path)) return; // an earlier attempt of the same run put it there
    const other = await placeBeside(source, path);
    throw new OutputError(`${path} appeared while the run drew and was left as it is; the result is in ${other}.`);
  } catch (cause) {
    if (cause instanceof OutputError) throw cause;
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = await Promise.all([a, b].map(hashFile));
    return one === other;
  } catch {
    return false; // one is gone or unreadable
  }
}
