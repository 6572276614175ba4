/**
 * @module weights/variant-files
 * Which of the names in a component's folder are weights, and of which variant: the same rule for a folder on the disk and for
 * the list of a repository. A network comes in one or more variants, told apart by the file name:
 *
 *   fp32  model.safetensors        or  model-00001-of-00002.safetensors, ... + model.safetensors.index.json
 *   fp16  model.fp16.safetensors   or  model.fp16-00001-of-00002.safetensors, ... + model.safetensors.index.fp16.json
 *   8bit  model.8bit.safetensors   likewise
 *
 *         model.bf16.safetensors   where it is alone: half precision too, read as what it holds
 *
 * diffusers' networks say `diffusion_pytorch_model` for `model`; `model.fp16.safetensors.index.json` also occurs, and shards
 * with the variant at the end. Source: transformers and diffusers, `_add_variant`.
 */

import { CheckpointError } from "../errors.ts";
import { printable, quote } from "../text.ts";

/** "fp32" is the file without a suffix, whatever types it holds. */
export type Variant = "fp32" | "fp16" | "8bit";

/** Where a variant starts: its only file, or the index of its shards. */
export interface VariantFile {
  readonly variant: Variant;
  readonly kind: "single" | "sharded";
  readonly name: string;
  /** What its files have before the number or the extension. */
  readonly stem: string;
  readonly suffix: string;
}

const suffixes: Readonly<Record<Variant, string>> = { "8bit": ".8bit", fp16: ".fp16", fp32: "" };
const bfloat16Suffix = ".bf16";

/** Fewest bytes first. */
const bySize: readonly Variant[] = ["8bit", "fp16", "fp32"];

const stems: readonly string[] = ["model", "diffusion_pytorch_model"];

/** @returns at most one per variant, the smallest variant first, whether or not all shards are there. */
export function findVariantFiles(names: ReadonlySet<string>): VariantFile[] {
  const find = (variant: Variant, suffix: string): VariantFile[] => {
    const candidates = stems.flatMap((stem): VariantFile[] => [
      { variant, stem, suffix, kind: "single", name: `${stem}${suffix}.safetensors` },
      { variant, stem, suffix, kind: "sharded", name: `${stem}.safetensors.index${suffix}.json` },
      { variant, stem, suffix, kind: "sharded", name: `${stem}${suffix}.safetensors.index.json` },
    ]);
    const found = candidates.find(({ name }) => names.has(name));
    return found === undefined ? [] : [found];
  };
  const files = bySize.flatMap((variant) => find(variant, suffixes[variant]));
  return files.length > 0 ? files : find("fp16", bfloat16Suffix);
}

/** @returns by their names the shards that belong to an index; undefined: some are missing. */
export function shardsOf({ stem, suffix }: VariantFile, names: Iterable<string>): string[] | undefined {
  const number = String.raw`-\d{5}-of-(\d{5})`;
  const escaped = suffix.replace(".", String.raw`\.`);
  const pattern = new RegExp(`^${stem}(?:${escaped}${number}|${number}${escaped})\\.safetensors$`);
  const shards = [...names].filter((name) => pattern.test(name));
  const count = Number(/-of-(\d{5})/.exec(shards[0] ?? "")?.[1]);
  return shards.length > 0 && shards.length === count ? shards : undefined;
}

/**
 * @param next what to do where nothing is there at all.
 * @returns the error for names among which there are no weights: says what is there instead.
 */
export function noWeightsError(where: string, names: readonly string[], next = "download it again"): CheckpointError {
  const adapter = adapterError(where, names);
  if (adapter !== undefined) return adapter;
  const shard = names.find((name) => /-\d{5}-of-\d{5}.*\.safetensors$/.test(name));
  if (shard !== undefined) {
    return new CheckpointError(
      `${where} has shards such as ${printable(shard)} but not their .index.json; download it too.`,
    );
  }
  const pickled = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  if (pickled !== undefined) {
    return new CheckpointError(
      `${where} has weights only as ${printable(pickled)}, but if-gen needs .safetensors; download or convert them.`,
    );
  }
  const other = names.find((name) => name.endsWith(".safetensors"));
  const instead = other === undefined ? "" : ` (${quote(other)} is a name that no network's weights have)`;
  return new CheckpointError(`${where} has no weights such as model.safetensors${instead}; ${next}.`);
}

/** What diffusers and peft save of a LoRA: changes to a network, not the network. */
const adapterFiles = ["pytorch_lora_weights.safetensors", "adapter_config.json", "adapter_model.safetensors"];

/** @returns the error for names that are a LoRA's; undefined: they are not. */
export function adapterError(where: string, names: readonly string[]): CheckpointError | undefined {
  const file = adapterFiles.find((name) => names.includes(name));
  if (file === undefined) return undefined;
  return new CheckpointError(
    `${where} holds a LoRA (${file}): changes to a network, not the network, give it with --lora, beside the ` +
      "model that it was trained with.",
  );
}
