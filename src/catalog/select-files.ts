/**
 * @module catalog/select-files
 * Of all files a repository holds, those a stage reads: one variant of each network, as safetensors, with the configs,
 * tokenizers and schedulers. So 8 GB of the text encoder's 40 GB, and no pickles.
 */

import { CheckpointError } from "../errors.ts";
import type { RepoFile } from "../hub/types.ts";
import type { Variant } from "../weights/variants.ts";
import type { Component, RepositoryLayout } from "../plan/stages.ts";

export interface FileSelection {
  readonly files: readonly RepoFile[];
  /** Of each network, by its folder. */
  readonly variants: ReadonlyMap<string, Variant>;
}

/**
 * @param requestedVariant for the networks that are published in it; absent: the fewest bytes.
 * @throws {CheckpointError} the repository lacks a folder or a variant: says which, and what it has.
 */
export function selectFiles(
  repo: string,
  files: readonly RepoFile[],
  layout: RepositoryLayout,
  requestedVariant?: Variant,
): FileSelection {
  const selected = files.filter(({ path }) => path === "model_index.json");
  const variants = new Map<string, Variant>();
  for (const [folder, component] of Object.entries(layout)) {
    const inside = files.filter(({ path }) => path.startsWith(`${folder}/`) && !path.includes("/", folder.length + 1));
    if (inside.length === 0) {
      if (component.essential)
        throw new CheckpointError(`${repo} has no folder ${folder}; is it a repository of this stage?`);
      continue;
    }
    selected.push(...inside.filter(({ path }) => isSmallFile(path)));
    if (component.variants.length === 0) continue;
    const [variant, weights] = chooseWeights(`${repo}: ${folder}`, inside, component, requestedVariant);
    variants.set(folder, variant);
    selected.push(...weights);
  }
  return { files: selected, variants };
}

/** Configs, tokenizers and vocabularies; an index is taken with its shards. */
const isSmallFile = (path: string): boolean => /\.(json|txt|model)$/.test(path) && !/\.index(\.\w+)?\.json$/.test(path);

/** As weights/variants.ts chooses among the files of a folder: see resolveVariant there. */
function chooseWeights(
  where: string,
  files: readonly RepoFile[],
  { variants: published }: Component,
  requestedVariant: Variant | undefined,
): [Variant, RepoFile[]] {
  const found = smallestFirst.flatMap((variant): [Variant, RepoFile[]][] => {
    const weights = weightsOf(files, variant);
    return weights ? [[variant, weights]] : [];
  });
  const wish = found.find(([variant]) => variant === requestedVariant);
  if (wish) return wish;
  const there = found.map(([variant]) => variant).join(" and ");
  if (requestedVariant !== undefined && published.includes(requestedVariant) && found.length > 0) {
    throw new CheckpointError(
      `${where} has no ${requestedVariant} weights, only ${there}; ask for --variant ${found[0]?.[0]}.`,
    );
  }
  const [smallest] = found;
  if (smallest) return smallest;
  throw new CheckpointError(`${where} has no .safetensors weights; if-gen reads no other kind.`);
}

const smallestFirst: readonly Variant[] = ["8bit", "fp16", "fp32"];
const suffixes: Readonly<Record<Variant, string>> = { "8bit": ".8bit", fp16: ".fp16", fp32: "" };

/** @returns one file, or an index with all its shards; undefined if some are missing. */
function weightsOf(files: readonly RepoFile[], variant: Variant): RepoFile[] | undefined {
  const named = new Map(files.map((file) => [file.path.slice(file.path.lastIndexOf("/") + 1), file]));
  for (const stem of ["model", "diffusion_pytorch_model"]) {
    const suffix = suffixes[variant];
    const single = named.get(`${stem}${suffix}.safetensors`);
    if (single) return [single];
    const index =
      named.get(`${stem}.safetensors.index${suffix}.json`) ?? named.get(`${stem}${suffix}.safetensors.index.json`);
    const shards = [...named].filter(([name]) => shardVariant(name, stem) === variant).map(([, file]) => file);
    const count = Number(/-of-(\d{5})/.exec(shards[0]?.path ?? "")?.[1]);
    if (index && shards.length > 0 && shards.length === count) return [index, ...shards];
  }
  return undefined;
}

/** `model.fp16-00001-of-00002.safetensors`, or with the variant at the end. */
function shardVariant(name: string, stem: string): Variant | undefined {
  const match = new RegExp(String.raw`^${stem}(\.fp16|\.8bit)?-\d{5}-of-\d{5}(\.fp16|\.8bit)?\.safetensors$`).exec(
    name,
  );
  if (!match) return undefined;
  return ((match[1] ?? match[2])?.slice(1) as Variant | undefined) ?? "fp32";
}

/** @returns the sum of the files' bytes. */
export function totalBytes(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
