/**
 * @module weights/variants
 * Which weight files a component folder has. A network comes in one or more variants, told apart by the file name:
 *
 *   fp32  model.safetensors        or  model-00001-of-00002.safetensors, ... + model.safetensors.index.json
 *   fp16  model.fp16.safetensors   or  model.fp16-00001-of-00002.safetensors, ... + model.safetensors.index.fp16.json
 *   8bit  model.8bit.safetensors   likewise
 *
 *         model.bf16.safetensors   where it is alone: half precision too, read as what it holds
 *
 * diffusers' networks say `diffusion_pytorch_model` for `model`; `model.fp16.safetensors.index.json` also occurs.
 * Source: transformers and diffusers, `_add_variant`.
 */

import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { reasonOf } from "../files/regular-file.ts";
import { quote } from "../text.ts";
import { readShardIndex, shardFiles } from "./shard-index.ts";

/** "fp32" is the file without a suffix, whatever types it holds. */
export type Variant = "fp32" | "fp16" | "8bit";

/** Where a variant starts: its only file, or the index of its shards. */
export interface WeightSource {
  readonly variant: Variant;
  readonly kind: "single" | "sharded";
  readonly path: string;
}

const suffixes: Readonly<Record<Variant, string>> = { "8bit": ".8bit", fp16: ".fp16", fp32: "" };

/** Fewest bytes first. */
const bySize: readonly Variant[] = ["8bit", "fp16", "fp32"];

const stems: readonly string[] = ["model", "diffusion_pytorch_model"];

/**
 * @returns the variants whose files are all there, the smallest first: 8bit, fp16, fp32.
 * @throws {CheckpointError} the folder is missing or cannot be read.
 */
export async function listVariants(folder: string): Promise<Variant[]> {
  const sources = await findSources(folder);
  const complete = await Promise.all(sources.map(isComplete));
  return sources.filter((_, i) => complete[i]).map(({ variant }) => variant);
}

/**
 * Which variant of one network to use, when one is wished for a whole cascade whose networks do not all have it:
 *
 * 1. No wish: the smallest that is complete.
 * 2. The wish, where the folder has it; should one of its files be missing, opening it says which.
 * 3. Where this kind of network is never published in it, the wish was not about this network: the smallest.
 *    So `8bit` is about the T5 text encoder, and `fp16` not about the watermarker.
 * 4. Otherwise an error: other, perhaps larger, weights are not quietly taken instead.
 *
 * @param published the variants this kind of network comes in: pass all three for T5, fp32 alone for the watermarker.
 * @throws {CheckpointError} rule 4, naming what is there; or the folder has no weights at all.
 */
export async function resolveVariant(
  folder: string,
  wanted?: Variant,
  published: readonly Variant[] = ["fp16", "fp32"],
): Promise<Variant> {
  const sources = await findSources(folder);
  if (wanted !== undefined && sources.some(({ variant }) => variant === wanted)) return wanted;
  const mustHave = wanted !== undefined && published.includes(wanted);
  return (await chooseSource(folder, mustHave ? wanted : undefined)).variant;
}

/**
 * @returns the source of the wanted variant. Without a wish the smallest complete one or, if none is complete, the
 *          smallest: opening it says what is missing.
 * @throws {CheckpointError} there is none: names what is there.
 */
export async function chooseSource(folder: string, wanted?: Variant): Promise<WeightSource> {
  const sources = await findSources(folder);
  const complete = await listVariants(folder);
  const variant = wanted ?? complete[0] ?? sources[0]?.variant;
  const source = sources.find((candidate) => candidate.variant === variant);
  if (source !== undefined) return source;
  if (sources.length === 0) throw await noWeights(folder);
  const there = sources.map((other) =>
    complete.includes(other.variant) ? other.variant : `${other.variant} (incomplete)`,
  );
  throw new CheckpointError(`${folder} has no ${wanted} weights, only ${there.join(" and ")}; ask for one of these.`);
}

/**
 * @returns at most one source per variant, the smallest variant first, whether or not all its files are there.
 * @throws {CheckpointError} the folder is missing or cannot be read.
 */
async function findSources(folder: string): Promise<WeightSource[]> {
  const names = new Set(await readFolder(folder));
  const find = (variant: Variant, suffix: string): WeightSource[] => {
    const candidates = stems.flatMap((stem) => sourceNames(stem, suffix));
    const found = candidates.find(({ name }) => names.has(name));
    return found === undefined ? [] : [{ variant, kind: found.kind, path: join(folder, found.name) }];
  };
  const sources = bySize.flatMap((variant) => find(variant, suffixes[variant]));
  return sources.length > 0 ? sources : find("fp16", ".bf16");
}

/** Are all its files there? Does not open weights. */
async function isComplete({ kind, path }: WeightSource): Promise<boolean> {
  try {
    const files = kind === "single" ? [path] : shardFiles(await readShardIndex(path));
    const stats = await Promise.all(files.map((file) => stat(file)));
    return stats.every((entry) => entry.isFile());
  } catch {
    return false; // a shard is missing or the index is broken: openWeights says which, when this variant is opened
  }
}

/** @returns the error for a folder without any weights: names what lies there instead. */
async function noWeights(folder: string): Promise<CheckpointError> {
  const names = await readFolder(folder);
  const adapter = adapterIn(names);
  if (adapter !== undefined) return adapterError(folder, adapter);
  const shard = names.find((name) => /-\d{5}-of-\d{5}.*\.safetensors$/.test(name));
  if (shard !== undefined) {
    return new CheckpointError(`${folder} has shards such as ${shard} but not their .index.json; download it too.`);
  }
  const pickled = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  if (pickled !== undefined) {
    return new CheckpointError(
      `${folder} has weights only as ${pickled}, but if-gen needs .safetensors; download or convert them.`,
    );
  }
  const other = names.find((name) => name.endsWith(".safetensors"));
  const instead = other === undefined ? "" : ` (${quote(other)} is a name that no network's weights have)`;
  return new CheckpointError(`${folder} has no weights such as model.safetensors${instead}; download it again.`);
}

/** What diffusers and peft save of a LoRA: changes to a network, not the network. */
const adapterFiles = ["pytorch_lora_weights.safetensors", "adapter_config.json", "adapter_model.safetensors"];

const adapterIn = (names: readonly string[]): string | undefined => adapterFiles.find((name) => names.includes(name));

const adapterError = (folder: string, file: string): CheckpointError =>
  new CheckpointError(
    `${folder} holds a LoRA (${file}): changes to a network, not the network, which if-gen does not load; merge it into its ` +
      "checkpoint with diffusers (load_lora_weights, fuse_lora, save_pretrained) and give that folder.",
  );

function sourceNames(stem: string, suffix: string): { kind: WeightSource["kind"]; name: string }[] {
  return [
    { kind: "single", name: `${stem}${suffix}.safetensors` },
    { kind: "sharded", name: `${stem}.safetensors.index${suffix}.json` },
    { kind: "sharded", name: `${stem}${suffix}.safetensors.index.json` },
  ];
}

async function readFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    const beside = await readdir(dirname(folder)).catch(() => []);
    const adapter = adapterIn(beside);
    if (adapter !== undefined) throw adapterError(dirname(folder), adapter);
    throw new CheckpointError(`The folder ${folder} cannot be read (${reasonOf(cause)}).`, { cause });
  }
}
