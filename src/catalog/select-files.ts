/**
 * @module catalog/select-files
 * Of all files a repository holds, those a stage reads: one variant of each network, as safetensors, with the configs,
 * tokenizers and schedulers. So 8 GB of the text encoder's 40 GB, and no pickles.
 */

import { CheckpointError } from "../errors.ts";
import type { RepoFile } from "../hub/types.ts";
import { adapterError, findVariantFiles, noWeightsError, shardsOf, type Variant } from "../weights/variant-files.ts";
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
      if (component.essential) throw noFolderError(repo, folder, files);
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

function noFolderError(repo: string, folder: string, files: readonly RepoFile[]): CheckpointError {
  const names = files.map(({ path }) => path);
  return (
    adapterError(repo, names) ??
    new CheckpointError(`${repo} has no folder ${folder}; is it a repository of this stage?`)
  );
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
  const named = new Map(files.map((file) => [file.path.slice(file.path.lastIndexOf("/") + 1), file]));
  const names = [...named.keys()];
  const starts = findVariantFiles(new Set(names));
  const complete = starts.flatMap((start): [Variant, RepoFile[]][] => {
    const shards = start.kind === "single" ? [] : shardsOf(start, names);
    if (shards === undefined) return [];
    return [[start.variant, [start.name, ...shards].flatMap((name) => named.get(name) ?? [])]];
  });
  const wish = complete.find(([variant]) => variant === requestedVariant);
  if (wish) return wish;
  const [smallest] = complete;
  if (smallest === undefined) {
    const [index] = starts;
    if (index === undefined) throw noWeightsError(where, names, "choose another repository");
    throw new CheckpointError(`${where} has ${index.name} but not all of its shards; choose another repository.`);
  }
  if (requestedVariant === undefined || !published.includes(requestedVariant)) return smallest;
  const completeVariants = complete.map(([variant]) => variant).join(" and ");
  throw new CheckpointError(
    `${where} has no ${requestedVariant} weights, only ${completeVariants}; ask for --variant ${smallest[0]}.`,
  );
}

/** @returns the sum of the files' bytes. */
export function totalBytes(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
