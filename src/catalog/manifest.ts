/**
 * @module catalog/manifest
 * models.json: the cascades that have a name, the repositories they come from, and the settings each was made for.
 * The program's own file comes first, then the user's, then the one given by --models-file; a later entry of the same
 * name takes the earlier one's place. Checked, since users write them. docs/models.md explains every field.
 */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CheckpointError } from "../errors.ts";
import { quote } from "../text.ts";
import type { CascadeDefaults } from "../plan/model.ts";
import { type RepositoryKey, repositoryFolders, repositoryKeys } from "../plan/stages.ts";
import { type CascadeEntry, type Repository, manifestFile, repoName } from "./manifest-schema.ts";
import { ownModelsFile, readManifestJson, userModelsFile } from "./manifest-files.ts";

/** Where a stage's checkpoint comes from. */
export type StageSource =
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "hub"; readonly repo: string; readonly revision: string };

export interface Cascade {
  readonly name: string;
  readonly description: string;
  readonly license: string;
  /** An entry of the program's own models.json that lies in its own folder: the demo. */
  readonly isOwn: boolean;
  readonly memoryBytes?: number;
  readonly stages: Readonly<Record<RepositoryKey, StageSource>>;
  /** Absent: the reference pipelines' own. */
  readonly defaults?: CascadeDefaults;
}

export interface Manifest {
  /** Sentences about the user's own file, where it cannot be used: it must not stop what does not need it. */
  readonly problems: readonly string[];
  readonly cascades: ReadonlyMap<string, Cascade>;
  readonly repositories: ReadonlyMap<string, Repository>;
}

/**
 * @param modelsFile what --models-file names.
 * @throws {CheckpointError} the file that was named is missing or not what the program expects: says where.
 */
export function readManifest(modelsFile?: string, userFile: string = userModelsFile()): Manifest {
  const problems: string[] = [];
  const files = [
    readManifestFile(ownModelsFile),
    ...(existsSync(userFile) ? readIfSound(userFile, problems) : []),
    ...(modelsFile === undefined ? [] : [readManifestFile(modelsFile)]),
  ];
  const repositories = new Map(files.flatMap((file) => [...file.repositories]));
  const cascades = files.flatMap((file) => [...file.cascades]);
  return { problems, repositories, cascades: new Map(cascades.map(([name, build]) => [name, build(repositories)])) };
}

function readIfSound(file: string, problems: string[]): ManifestFile[] {
  try {
    return [readManifestFile(file)];
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    problems.push(`your own models are left out: ${error.message}`);
    return [];
  }
}

interface ManifestFile {
  readonly repositories: readonly [string, Repository][];
  /** Revisions are known once all files are read. */
  readonly cascades: readonly [string, (repositories: ReadonlyMap<string, Repository>) => Cascade][];
}

function readManifestFile(file: string): ManifestFile {
  const parsed = manifestFile.safeParse(readManifestJson(file));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue?.path.length ? quote(issue.path.join(".")) : "at the top";
    throw new CheckpointError(`${file}: ${place}: ${issue?.message}.`, {
      cause: parsed.error,
    });
  }
  const base = dirname(resolve(file));
  return {
    repositories: Object.entries(parsed.data.repositories),
    cascades: Object.entries(parsed.data.cascades).map(([name, entry]) => [
      name,
      (repositories) => cascadeOf(name, entry, base, repositories),
    ]),
  };
}

function cascadeOf(
  name: string,
  entry: CascadeEntry,
  base: string,
  repositories: ReadonlyMap<string, Repository>,
): Cascade {
  const { description, license, memoryBytes, defaults: settings } = entry;
  const stages = repositoryKeys.map((stage): [RepositoryKey, StageSource] => {
    if ("directory" in entry)
      return [stage, { kind: "folder", folder: join(resolve(base, entry.directory), repositoryFolders[stage]) }];
    return [stage, stageSourceOf(entry.stages[stage], base, repositories)];
  });
  return {
    name,
    description,
    license,
    isOwn: base === dirname(ownModelsFile) && "directory" in entry,
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    stages: Object.fromEntries(stages) as Cascade["stages"],
    ...(settings === undefined ? {} : { defaults: settings }),
  };
}

/** @returns the three checkpoints of a cascade that lies in one directory. */
export function stagesIn(directory: string): Cascade["stages"] {
  const folders = repositoryKeys.map((stage) => [
    stage,
    { kind: "folder", folder: join(directory, repositoryFolders[stage]) },
  ]);
  return Object.fromEntries(folders) as Cascade["stages"];
}

/**
 * A folder that exists wins over a repository of the same name, as in the reference.
 * @param text a folder, `organisation/name` or `organisation/name@revision`; whatever else it is, it is taken for a
 *             folder that is missing.
 */
export function stageSourceOf(text: string, base: string, repositories: ReadonlyMap<string, Repository>): StageSource {
  const folder = resolve(base, text);
  const [repo = "", revision] = text.split("@", 2);
  if (existsSync(folder) || !repoName.safeParse(repo).success) return { kind: "folder", folder };
  return { kind: "hub", repo, revision: revision || (repositories.get(repo)?.revision ?? "main") };
}
