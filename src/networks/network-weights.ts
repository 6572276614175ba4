/**
 * @module networks/network-weights
 * Which weights a network runs on: those of the checkpoint as they lie, with LoRAs merged in or, where fewer bits are asked
 * for than it has, int8 rows or blocks of 8 or 4 bits, made of them once and kept in a cache.
 */

import type { PlacedRun, TextEncoderChoice, UnetChoice } from "../plan/plan.ts";
import { type WeightEntry, type WeightTable, openWeights } from "../weights/checkpoint.ts";
import { dtypeBytes } from "../weights/dtype.ts";
import { elementCount } from "../math/tensor.ts";
import { findQuantized, quantizationSource, quantizeIntoCache } from "../weights/quantize-checkpoint.ts";
import { type QuantizedKind, quantizedLayouts, quantizedTensors } from "../weights/quantized-layout.ts";
import { expectMerged, mergeIntoCache } from "../weights/lora/merge-lora.ts";
import { type Variant, resolveVariant } from "../weights/variants.ts";
import type { NetworkDescription } from "./description.ts";
import { stageNetworks } from "./stage-networks.ts";

export interface WeightSettings {
  /** Which weight files; the smallest that each network has if absent. */
  readonly variant?: Variant;
  /** Absent: T5's weights are used as the checkpoint has them. */
  readonly textEncoder?: TextEncoderChoice;
  /** Absent: the UNets' weights are used as the checkpoints have them. */
  readonly unet?: UnetChoice;
}

type Described = Pick<NetworkDescription, "folder" | "published" | "weights" | "open" | "lora">;

/** What is called before work that takes a while at full size. */
export interface WeightProgress {
  readonly onQuantize?: (() => void) | undefined;
  readonly onMerge?: (() => void) | undefined;
}

/**
 * @returns the weights, LoRAs merged in, and made smaller first where they have to be.
 * @throws {CheckpointError} the checkpoint has no such weights.
 */
export async function makeWeights(
  network: Described,
  settings: WeightSettings,
  { onQuantize, onMerge }: WeightProgress = {},
): Promise<WeightTable> {
  const { table: stored, quantized } = await chosenWeights(network, settings);
  const table = network.lora ? await mergeIntoCache(stored, network.lora, onMerge) : stored;
  if (!quantized) return table;
  const { kind, cache } = quantized;
  const folder = await quantizeIntoCache(table, cache, kind, onQuantize);
  return openWeights(folder, quantizedLayouts[kind].variant);
}

/** @returns the table of the weights that will be run on, told from headers also where they are yet to be made. */
export async function expectedWeights(network: Described, settings: WeightSettings): Promise<WeightTable> {
  const { table, isMade, quantized } = await expectedSource(network, settings);
  if (!quantized) return table;
  const { kind, cache } = quantized;
  if (!isMade) return asQuantized(table, kind);
  const folder = await findQuantized(table, cache, kind);
  return folder === undefined ? asQuantized(table, kind) : openWeights(folder, quantizedLayouts[kind].variant);
}

/** @returns the files of all weights a stage reads, in the order of its networks. @throws {CheckpointError} one is missing. */
export async function weightFiles(
  run: Pick<PlacedRun, "jobs" | "numImages" | "textEncoder" | "unet" | "variant" | "gpuStages">,
  stage: Parameters<typeof stageNetworks>[1],
): Promise<string[]> {
  const files: string[] = [];
  for (const network of await stageNetworks(run, stage)) files.push(...(await expectedWeights(network, run)).files);
  return files;
}

/** Weights with LoRAs merged in or with fewer bits that are yet to be made: the cache they go to, and the bytes they will take there. */
export interface WeightsToMake {
  readonly cache: string;
  readonly bytes: number;
}

/** @returns those of each network that are not in their caches. @throws {CheckpointError} it has no weights. */
export async function weightsToMake(
  run: Parameters<typeof weightFiles>[0],
  stages: readonly Parameters<typeof stageNetworks>[1][],
): Promise<WeightsToMake[]> {
  const found: WeightsToMake[] = [];
  for (const stage of stages) {
    for (const network of await stageNetworks(run, stage)) {
      const { table, isMade, quantized } = await expectedSource(network, run);
      const unmade = [...table.tensors.values()].filter(({ file }) => file === "");
      if (network.lora && !isMade) found.push({ cache: network.lora.cache, bytes: bytesOf(unmade) });
      if (!quantized || (isMade && (await findQuantized(table, quantized.cache, quantized.kind)) !== undefined))
        continue;
      found.push({ cache: quantized.cache, bytes: bytesOf(asQuantized(table, quantized.kind).tensors.values()) });
    }
  }
  return found;
}

const bytesOf = (entries: Iterable<WeightEntry>): number =>
  [...entries].reduce((sum, { byteLength }) => sum + byteLength, 0);

/** What smaller weights would be made of; `isMade`: all of it lies in files. */
async function expectedSource(
  network: Described,
  settings: WeightSettings,
): Promise<Awaited<ReturnType<typeof chosenWeights>> & { readonly isMade: boolean }> {
  const { table, ...chosen } = await chosenWeights(network, settings);
  return { ...chosen, ...(network.lora ? await expectMerged(table, network.lora) : { table, isMade: true }) };
}

/** The checkpoint's weights, and what is to be made of them. */
async function chosenWeights(
  { folder, published, weights, open }: Described,
  { variant, textEncoder, unet }: WeightSettings,
): Promise<{ table: WeightTable; quantized?: { kind: QuantizedKind; cache: string } }> {
  if (open) return { table: await open() };
  if (weights === "text-encoder" && textEncoder) {
    const { bits, cache } = textEncoder;
    const source = await quantizationSource(folder, bits, variant);
    const table = await openWeights(folder, source.variant);
    return source.inPlace ? { table } : { table, quantized: { kind: bits, cache } };
  }
  const table = await openWeights(folder, await resolveVariant(folder, variant, published));
  return weights === "unet" && unet ? { table, quantized: { kind: "unet", cache: unet.cache } } : { table };
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
