/**
 * @module networks/stage-weights
 * Which weights a stage's networks will run on, told from the headers of their files; nothing is loaded.
 */

import { elementCount } from "../math/tensor.ts";
import type { Plan, Stage } from "../plan/plan.ts";
import { type WeightEntry, type WeightTable, openWeights } from "../weights/checkpoint.ts";
import { dtypeBytes } from "../weights/dtype.ts";
import { findQuantized, quantizationSource } from "../weights/quantize-checkpoint.ts";
import { type QuantizedKind, quantizedLayouts, quantizedTensors } from "../weights/quantized-layout.ts";
import { resolveVariant } from "../weights/variants.ts";
import { type StageNetwork, stageNetworks } from "./stage-networks.ts";

/** The table of the weights that will be run on, also where they are yet to be quantised. */
export async function storedWeights(
  plan: Plan,
  stage: Stage,
  { name, folder, published }: Pick<StageNetwork, "name" | "folder" | "published">,
): Promise<WeightTable> {
  if (stage.name === "text-encoding" && plan.textEncoder) {
    const { bits, cache } = plan.textEncoder;
    const { variant, inPlace } = await quantizationSource(folder, bits, plan.variant);
    const table = await openWeights(folder, variant);
    return inPlace ? table : quantized(table, cache, bits);
  }
  const table = await openWeights(folder, await resolveVariant(folder, plan.variant, published));
  return name === "UNet" && plan.unet ? quantized(table, plan.unet.cache, "unet") : table;
}

/** What is in the cache, or will be. */
async function quantized(table: WeightTable, cache: string, kind: QuantizedKind): Promise<WeightTable> {
  const folder = await findQuantized(table, cache, kind);
  return folder === undefined ? asQuantized(table, kind) : openWeights(folder, quantizedLayouts[kind].variant);
}

/** The table that the weights will have, in a file without a name. */
export function asQuantized(table: WeightTable, kind: QuantizedKind): WeightTable {
  let end = 0;
  const tensors = [...quantizedTensors(table, kind)].map(([name, { dtype, shape }]): [string, WeightEntry] => {
    const byteLength = elementCount(shape) * dtypeBytes(dtype);
    const offset = end;
    end += byteLength;
    return [name, { name, dtype, shape, byteLength, offset, file: "" }];
  });
  return { ...table, variant: quantizedLayouts[kind].variant, tensors: new Map(tensors) };
}

/** @returns the files of all weights a stage reads, in the order of its networks. @throws {CheckpointError} one is missing. */
export async function weightFiles(plan: Plan, stage: Stage): Promise<string[]> {
  const files: string[] = [];
  for (const network of await stageNetworks(plan, stage)) {
    files.push(...(await storedWeights(plan, stage, network)).files);
  }
  return files;
}
