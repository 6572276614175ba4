/**
 * @module hub/checked-content
 * Which files of the cache were read and hashed since they last changed. Others put files there too, disks flip bits, and a size
 * alone says little; hashing gigabytes anew at every pull would take minutes. The marks lie beside the locks, where no other
 * program looks: `.locks/models--org--name/<etag>.checked`.
 */

import { dirname } from "node:path";
import { fileMark, isSameMark, readFileMark } from "../files/file-mark.ts";
import { configLimits, readJsonFile } from "../files/json.ts";
import { makeFolder } from "../files/make-folder.ts";
import { replaceFile } from "../files/replace-file.ts";
import { hasContentOf } from "./content-hash.ts";
import type { FilePlace } from "./layout.ts";
import type { DownloadFileOptions, RepoFile } from "./types.ts";

/**
 * Is the file at `path` (the snapshot or the blob) byte for byte what the Hub lists? Reads it unless that is known.
 * @throws system errors of reading it; the signal's reason.
 */
export async function isRightContent(
  path: string,
  { checked }: FilePlace,
  file: RepoFile,
  { signal, onProgress }: DownloadFileOptions = {},
): Promise<boolean> {
  const mark = await readFileMark(path);
  if (isSameMark(mark, await readMark(checked))) return true;
  const onBytes = (doneBytes: number): void => onProgress?.(doneBytes, file.bytes);
  if (!(await hasContentOf(path, file, { signal, onBytes }))) return false;
  await rememberChecked(path, checked);
  return true;
}

/** The file at `path` was hashed and is right. Where nothing can be written it will be hashed again. */
export async function rememberChecked(path: string, checked: string): Promise<void> {
  const mark = await readFileMark(path);
  if (mark === undefined) return;
  try {
    await makeFolder(dirname(checked));
    await replaceFile(checked, JSON.stringify(mark), { sync: false });
  } catch {
    // a cache that may only be read
  }
}

async function readMark(checked: string): Promise<ReturnType<typeof fileMark.parse> | undefined> {
  try {
    return fileMark.parse(await readJsonFile(checked, configLimits, Error));
  } catch {
    return undefined; // none yet, or not ours
  }
}
