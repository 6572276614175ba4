/**
 * @module hub/list-repo
 * What a repository holds at a revision. Listing by @huggingface/hub; every field is checked before it is believed.
 */

import { listFiles, modelInfo, type ListFileEntry } from "@huggingface/hub";
import { z } from "zod";
import { HubError } from "../errors.ts";
import { callLibrary, createApiFetch } from "./api-fetch.ts";
import { checkRepoFile, checkRepoName, checkRevision, isCommit } from "./names.ts";
import { checkOnline, endpointOf } from "./request.ts";
import type { HubSettings, RepoFile, RepoListing } from "./types.ts";

const maxFiles = 100_000; // the Hub's own advice for one repository
const sizeBytes = z.int().min(0);
const kindSchema = z.object({ type: z.string() }); // file, directory, and whatever comes later
const entrySchema = z.object({
  path: z.string(),
  size: sizeBytes,
  oid: z.string(),
  lfs: z.object({ oid: z.string(), size: sizeBytes }).optional(),
});

/**
 * @param repo     `org/name`.
 * @param revision branch, tag or commit.
 * @throws {HubError} gated, token, repo-not-found, revision-not-found, offline, network, hostile-name.
 */
export async function listRepo(
  settings: HubSettings,
  repo: string,
  revision: string,
  signal?: AbortSignal,
): Promise<RepoListing> {
  checkRepoName(repo);
  checkRevision(revision);
  checkOnline(settings, `The list of files of ${repo}`);
  const hub = { hubUrl: endpointOf(settings), fetch: createApiFetch(settings, { repo, revision }, signal) };
  return callLibrary(
    settings,
    async () => {
      const commit = isCommit(revision) ? revision : await resolveCommit(repo, revision, hub);
      const entries = listFiles({ repo: { type: "model", name: repo }, revision: commit, recursive: true, ...hub });
      return { commit, files: await collectFiles(repo, entries) };
    },
    signal,
  );
}

async function resolveCommit(
  repo: string,
  revision: string,
  hub: { hubUrl: string; fetch: typeof fetch },
): Promise<string> {
  const { sha } = await modelInfo({ name: repo, revision, additionalFields: ["sha"], ...hub });
  if (typeof sha === "string" && isCommit(sha)) return sha;
  throw new HubError("network", `The Hub names no commit for ${repo}; check HF_ENDPOINT.`);
}

async function collectFiles(repo: string, entries: AsyncIterable<ListFileEntry>): Promise<RepoFile[]> {
  const files: RepoFile[] = [];
  let seen = 0;
  for await (const entry of entries) {
    if (++seen > maxFiles)
      throw new HubError("network", `${repo} lists more than ${maxFiles} files; it was not read on.`);
    if (kindSchema.parse(entry).type === "file") files.push(parseEntry(repo, entry));
  }
  return files;
}

function parseEntry(repo: string, entry: unknown): RepoFile {
  const { path, size, oid, lfs } = entrySchema.parse(entry);
  const file = lfs === undefined ? { path, bytes: size, gitOid: oid } : { path, bytes: lfs.size, sha256: lfs.oid };
  checkRepoFile(repo, file);
  return file;
}
