/**
 * @module cli/models/verify
 * `if-gen models verify NAME`: every byte read again and compared with the hashes the Hub gave.
 */

import { verifyDerived } from "../../catalog/derived-caches.ts";
import { CheckpointError, HubError } from "../../errors.ts";
import type { HubSettings, RepoFile } from "../../hub/types.ts";
import { removeFile, verifyFiles } from "../../hub/verify-files.ts";
import { readCachedFiles } from "../../catalog/cached-files.ts";
import { type HubSource, locateStage } from "../../catalog/locate.ts";
import { findCascade } from "../../catalog/find-model.ts";
import { type Pins, pinKey, readPins } from "../../catalog/pins.ts";
import { totalBytes } from "../../catalog/select-files.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { ModelsOptions } from "../models.ts";
import { repositoryKeys } from "../../plan/stages.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { type LiveLine, createLiveLine, partText } from "../line.ts";
import { print, printJson, say } from "../terminal.ts";

export interface VerifyOptions extends ModelsOptions {
  removeDamaged?: boolean;
}

interface Checked {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly { readonly path: string; readonly ok: boolean; readonly reason?: string }[];
  readonly bytes: number;
}

/**
 * @throws {CheckpointError} the model has no repository: nothing says what its files should be.
 * @throws {HubError} checksum: files are damaged; entry-not-found: a repository is not here.
 */
export async function verifyModel(name: string, options: VerifyOptions): Promise<void> {
  const { manifest, environment, settings } = readHubContext(options.modelsFile);
  const { stages } = findCascade(name, manifest);
  const sources = repositoryKeys.map((stage) => [stage, stages[stage]] as const);
  const pins = readPins(environment.home);
  const checked: Checked[] = [];
  const absent: string[] = [];
  for (const [stage, source] of sources) {
    if (source.kind === "folder") continue;
    const located = await locateStage(settings, pins, stage, source);
    if (located) {
      checked.push(await verifyRepo(settings, source, located, pins, options));
      await verifyMadeSmaller(located.folder);
    } else absent.push(source.repo);
  }
  if (sources.every(([, { kind }]) => kind === "folder")) {
    throw new CheckpointError(
      `${name} lies in a folder and not in the Hub's cache: there are no hashes to compare it with.`,
    );
  }
  if (options.json) printJson({ repositories: checked, absent });
  const damaged = checked.flatMap(({ files }) => files.filter(({ ok }) => !ok));
  if (damaged.length > 0) {
    const next = options.removeDamaged
      ? `they were removed; run if-gen models pull ${name} now.`
      : `run if-gen models verify ${name} --remove-damaged and then if-gen models pull ${name}.`;
    throw new HubError("checksum", `${damaged.length} of ${name}'s files are damaged; ${next}`);
  }
  if (absent.length > 0) {
    throw new HubError("entry-not-found", `${absent.join(" and ")}: not here; run if-gen models pull ${name} first.`);
  }
}

/** What was made of the repository's weights with fewer bits. @throws {CheckpointError} it is not what was written. */
async function verifyMadeSmaller(folder: string): Promise<void> {
  const damaged = (await verifyDerived(folder)).filter(({ ok }) => !ok);
  if (damaged.length === 0) return;
  const names = damaged.map(({ name }) => name).join(" ");
  throw new CheckpointError(`weights made of ${folder} with fewer bits are damaged; if-gen cache rm ${names}`);
}

async function verifyRepo(
  settings: HubSettings,
  { repo, revision }: HubSource,
  { commit, folder }: { commit: string; folder: string },
  pins: Pins,
  options: VerifyOptions,
): Promise<Checked> {
  const files = await expectedFiles(folder, pins.get(pinKey(repo, revision)), commit, repo);
  const interrupt = listenForInterrupt("nothing was changed");
  try {
    const line = createLiveLine(process.stderr);
    const results = await verifyFiles(settings, repo, commit, files, {
      signal: interrupt.signal,
      onProgress: showReading(line),
    });
    line.clear();
    const bad = results.filter(({ ok }) => !ok);
    for (const { path, reason } of bad) say(`${repo}: ${path}: ${reason}\n`);
    if (options.removeDamaged) {
      for (const file of files)
        if (bad.some(({ path }) => path === file.path)) await removeFile(settings, repo, commit, file);
    }
    const bytes = totalBytes(files);
    if (bad.length === 0 && !options.json) print(`${repo}: ${files.length} files, ${formatBytes(bytes)}, all right\n`);
    return { repo, commit, files: results, bytes };
  } finally {
    interrupt.release();
  }
}

/** The pinned files and whatever else lies there: the links tell what it should be. */
async function expectedFiles(
  folder: string,
  pin: { readonly commit: string; readonly files: readonly RepoFile[] } | undefined,
  commit: string,
  repo: string,
): Promise<RepoFile[]> {
  const { files, unnamed } = await readCachedFiles(folder);
  const expected = new Map(files.map((file) => [file.path, file]));
  for (const file of pin?.commit === commit ? pin.files : []) expected.set(file.path, file);
  const unknown = unnamed.filter((path) => !expected.has(path));
  if (unknown.length > 0) {
    say(`${repo}: ${unknown.length} files are copies that this program did not fetch; they cannot be checked.\n`);
  }
  return [...expected.values()];
}

const REDRAW_MS = 100;

function showReading(line: LiveLine): (path: string, doneBytes: number, fileBytes: number) => void {
  let drawnAt = -Infinity;
  return (path, doneBytes, fileBytes) => {
    if (performance.now() - drawnAt < REDRAW_MS) return;
    drawnAt = performance.now();
    const done = doneBytes / Math.max(1, fileBytes);
    line.draw([
      { text: partText(path), rank: 1 },
      { bar: done, rank: 2 },
      { text: `${Math.floor(100 * done)} %`, rank: 3 },
    ]);
  };
}
