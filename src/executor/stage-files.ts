/**
 * @module executor/stage-files
 * The tensors between the stages: safetensors files in a job's folder, each under its own name.
 */

import { join } from "node:path";
import { OutputError, whyNotWritten } from "../errors.ts";
import { replaceFile } from "../files/replace-file.ts";
import type { Tensor } from "../math/tensor.ts";
import { readSafetensorsHeader, readTensorAsFloat32, writeSafetensors } from "../weights/safetensors.ts";
import type { StageFile } from "../plan/stages.ts";

const pathOf = (folder: string, name: StageFile): string => join(folder, `${name}.safetensors`);

/** @throws {CheckpointError} the file is missing or broken. */
export async function readTensorFile(folder: string, name: StageFile): Promise<Tensor> {
  const path = pathOf(folder, name);
  const entry = (await readSafetensorsHeader(path)).tensors.get(name);
  if (!entry) throw new Error(`${path} does not hold ${name}`);
  return { data: await readTensorAsFloat32(path, entry), shape: entry.shape };
}

export async function writeTensorFile(folder: string, name: StageFile, { data, shape }: Tensor): Promise<void> {
  await writeSafetensors(
    pathOf(folder, name),
    new Map([[name, { dtype: "F32", shape, data: data as Float32Array<ArrayBuffer> }]]),
  );
}

/** Appears whole or not at all. @throws {OutputError} it cannot be written. */
export async function writeBytes(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await replaceFile(path, content);
  } catch (cause) {
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}
