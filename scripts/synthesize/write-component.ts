/** One component folder: its config and its weights, single or in shards with their index. */

import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { elementCount } from "../../src/math/tensor.ts";
import { dtypeBytes } from "../../src/weights/dtype.ts";
import { type TensorLayout, writeSafetensorsStream } from "../../src/weights/safetensors-stream.ts";
import type { Variant } from "../../src/weights/variants.ts";
import { networkLayout, variantTensors } from "./layout.ts";
import { RandomWeights } from "./random-weights.ts";

export interface WrittenComponent {
  readonly parameters: number;
  readonly bytes: number;
  readonly files: readonly string[];
}

/**
 * @param config the component's config.json.
 * @param folder where it goes, created if missing; files that are there are replaced, the old ones gone first.
 */
export async function writeComponent(
  config: string,
  folder: string,
  variant: Variant,
  { seed = 0, outliers = 1 }: { readonly seed?: number; readonly outliers?: number } = {},
): Promise<WrittenComponent> {
  const layout = await networkLayout(config);
  await mkdir(folder, { recursive: true });
  if (config !== join(folder, "config.json")) await copyFile(config, join(folder, "config.json"));
  const tensors = variantTensors(layout, variant);
  const shards = splitEvenly(tensors, layout.shards(variant));
  const files = shardNames(layout.stem, variant, shards.length);
  const largest = Math.max(...[...tensors.values()].map(({ shape }) => elementCount(shape)));
  const weights = new RandomWeights(seed, { largest, outliers });
  let bytes = 0;
  for (const [index, shard] of shards.entries()) {
    const path = join(folder, files[index] ?? "");
    await rm(path, { force: true }); // else both lie on the disk at once
    const produce = (name: string, tensor: TensorLayout): Iterable<Uint8Array> => weights.bytes(name, tensor);
    bytes += (
      await writeSafetensorsStream(path, shard, produce, { metadata: new Map([["format", "pt"]]), sync: false })
    ).bytes;
  }
  if (shards.length > 1) {
    const path = join(folder, `${layout.stem}.safetensors.index${suffixOf(variant)}.json`);
    await writeFile(path, `${JSON.stringify(indexOf(shards, files), null, 2)}\n`);
  }
  const parameters = [...layout.tensors.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
  return { parameters, bytes, files };
}

const suffixOf = (variant: Variant): string => (variant === "fp32" ? "" : `.${variant}`);

function shardNames(stem: string, variant: Variant, count: number): string[] {
  const suffix = suffixOf(variant);
  if (count === 1) return [`${stem}${suffix}.safetensors`];
  const number = (index: number): string => String(index).padStart(5, "0");
  return Array.from(
    { length: count },
    (_, index) => `${stem}${suffix}-${number(index + 1)}-of-${number(count)}.safetensors`,
  );
}

const byteLength = ({ dtype, shape }: TensorLayout): number => elementCount(shape) * dtypeBytes(dtype);

/** In the order of the network, cut where each file has its share. */
function splitEvenly(tensors: ReadonlyMap<string, TensorLayout>, count: number): Map<string, TensorLayout>[] {
  const total = [...tensors.values()].reduce((sum, tensor) => sum + byteLength(tensor), 0);
  const shards = Array.from({ length: count }, () => new Map<string, TensorLayout>());
  let done = 0;
  for (const [name, tensor] of tensors) {
    shards[Math.min(count - 1, Math.floor((done * count) / total))]?.set(name, tensor);
    done += byteLength(tensor);
  }
  return shards;
}

function indexOf(shards: readonly ReadonlyMap<string, TensorLayout>[], files: readonly string[]): unknown {
  const entries = shards.flatMap((shard, index) => [...shard.keys()].map((name) => [name, files[index]] as const));
  const total = shards.flatMap((shard) => [...shard.values()]).reduce((sum, tensor) => sum + byteLength(tensor), 0);
  return {
    metadata: { total_size: total },
    weight_map: Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
