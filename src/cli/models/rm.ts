/**
 * @module cli/models/rm
 * `if-gen models rm NAME`.
 */

import { createInterface } from "node:readline/promises";
import { UsageError } from "../../errors.ts";
import { listCachedRepos, removeRepo } from "../../hub/cached-repos.ts";
import type { CachedRepo } from "../../hub/types.ts";
import { type Cascade, type Manifest } from "../../catalog/manifest.ts";
import { findCascade } from "../../catalog/find-model.ts";
import { removePins } from "../../catalog/pins.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import type { ModelsOptions } from "../models.ts";
import { repositoryKeys } from "../../plan/stages.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { say } from "../terminal.ts";

/**
 * @param name a model, or `organisation/name` of a repository in the cache.
 * @throws {UsageError} it lies in a folder that is not ours to remove, or nobody is there to be asked.
 * @throws {HubError} a repository is being downloaded, or cannot be removed.
 */
export async function removeModel(name: string, { modelsFile, yes }: ModelsOptions & { yes?: boolean }): Promise<void> {
  const { manifest, environment, settings } = readHubContext(modelsFile);
  const cached = new Map((await listCachedRepos(settings)).map((repo) => [repo.repo, repo]));
  const { remove, keep } = cached.has(name) ? { remove: [name], keep: [] } : chooseRepos(name, manifest, cached);
  for (const [repo, user] of keep) say(`${repo} stays: ${user} uses it.\n`);
  const cachedRepos = remove.flatMap((repo) => cached.get(repo) ?? []);
  if (cachedRepos.length === 0) {
    say(`nothing of ${name} is in ${settings.cacheFolder} that could be removed.\n`);
    return;
  }
  if (!yes && !(await isConfirmed(cachedRepos))) return;
  for (const { repo } of cachedRepos) {
    const { freedBytes } = await removeRepo(settings, repo);
    await removePins(environment.home, repo);
    say(`removed ${repo}, ${formatBytes(freedBytes)}\n`);
  }
}

/** A repository stays while another model uses it that has more in the cache than what is removed here. */
function chooseRepos(
  name: string,
  manifest: Manifest,
  cached: ReadonlyMap<string, CachedRepo>,
): { remove: string[]; keep: [string, string][] } {
  const repos = new Set(reposOf(findCascade(name, manifest)));
  if (repos.size === 0) {
    throw new UsageError(
      `${name} lies in a folder and not in the Hub's cache; remove the folder yourself if it is yours.`,
    );
  }
  const reposHere = (cascade: Cascade): string[] => reposOf(cascade).filter((repo) => cached.has(repo));
  const others = [...manifest.cascades.values()]
    .filter((cascade) => cascade.name !== name && reposHere(cascade).some((repo) => !repos.has(repo)))
    .toSorted((a, b) => reposHere(b).length - reposHere(a).length); // the likeliest user is the one to name
  const users = new Map(others.toReversed().flatMap((other) => reposOf(other).map((repo) => [repo, other.name])));
  const keep = [...repos].flatMap((repo): [string, string][] =>
    [users.get(repo)].flatMap((user) => (user ? [[repo, user]] : [])),
  );
  return { remove: [...repos].filter((repo) => !users.has(repo)), keep };
}

function reposOf({ stages }: Cascade): string[] {
  return repositoryKeys.flatMap((stage) => {
    const source = stages[stage];
    return source.kind === "hub" ? [source.repo] : [];
  });
}

/** @throws {UsageError} standard input is no terminal. */
async function isConfirmed(repos: readonly CachedRepo[]): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UsageError("models rm asks before it removes; add --yes where nobody can answer.");
  for (const { repo, bytes } of repos) say(`${repo}  ${formatBytes(bytes)}\n`);
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question("Remove them, for every program that uses this cache? [y/N] ");
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}
