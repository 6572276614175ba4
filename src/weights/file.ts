/**
 * @module weights/file
 * Reading a checkpoint's files by range or, small ones, as JSON. Whatever the system reports becomes a CheckpointError.
 */

import type { FileHandle } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { configLimits, type JsonLimits, readJsonFile } from "../files/json.ts";
import { readRange as readRangeOf, withRegularFile } from "../files/regular-file.ts";

/**
 * Opens a file for reading as long as `use` runs.
 * @throws {CheckpointError} the file is missing, a folder, a device, or unreadable; and what `use` throws.
 */
export async function withFile<T>(
  path: string,
  use: (handle: FileHandle, fileBytes: number) => Promise<T>,
): Promise<T> {
  return withRegularFile(path, CheckpointError, use);
}

/** @throws {CheckpointError} the file ends before `offset + byteLength`. */
export async function readRange(
  handle: FileHandle,
  path: string,
  offset: number,
  byteLength: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return readRangeOf(handle, path, { offset, byteLength }, CheckpointError);
}

/**
 * @param limits those of a config unless said otherwise: 4 MB, 100,000 values.
 * @throws {CheckpointError} the file is missing, unreadable, beyond the limits, or not JSON.
 */
export async function readJson(path: string, limits: JsonLimits = configLimits): Promise<unknown> {
  return readJsonFile(path, limits, CheckpointError);
}
