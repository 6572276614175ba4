/** LoRAs written by a test, and those of test/golden/lora (scripts/golden/make-lora.py). */

import { join } from "node:path";
import { hashFile } from "../../../src/files/hash-file.ts";
import type { AppliedLora } from "../../../src/weights/lora/merge-lora.ts";
import { type TensorSource, writeSafetensors } from "../../../src/weights/safetensors.ts";
import { bundledPath } from "../../golden.ts";
import { temporaryFolder } from "../files.ts";

export const goldenLora = (name: string): string => bundledPath("lora", `${name}.safetensors`);

export async function applied(file: string, weight = 1): Promise<AppliedLora> {
  return { file, sha256: await hashFile(file), weight };
}

/** @returns a tensor that holds `fill` everywhere. */
export const filled = (shape: readonly number[], fill = 1): TensorSource => ({
  dtype: "F32",
  shape,
  data: new Float32Array(shape.reduce((product, side) => product * side, 1)).fill(fill),
});

/** @returns the path of a file with these tensors, in a folder that is gone when the test ends. */
export async function writeLora(
  tensors: Readonly<Record<string, TensorSource>>,
  { name = "lora.safetensors", metadata = {} }: { name?: string; metadata?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const file = join(await temporaryFolder(), name);
  await writeSafetensors(file, new Map(Object.entries(tensors)), new Map(Object.entries(metadata)));
  return file;
}
