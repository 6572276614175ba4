/** Settings and folders for the tests of src/hub, and the small repository most of them pull. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { HubError } from "../../src/errors.ts";
import type { HubSettings, HubTimeouts, RepoFile } from "../../src/hub/types.ts";
import { commit, etagOf, servedFile, startHub, type ServedFile, type TestHub } from "./server.ts";

export const repo = "DeepFloyd/IF-I-M-v1.0";

/** Short, so that a test of patience takes milliseconds. */
export const timeouts: HubTimeouts = {
  headersMs: 2_000,
  stallMs: 2_000,
  stallBytes: 64,
  answerMs: 2_000,
  listingMs: 4_000,
  attempts: 3,
  backoffMs: 1,
  maxBackoffMs: 5,
  maxRetryAfterMs: 3_000,
  lockMs: 5_000,
};

export interface Fixture {
  readonly hub: TestHub;
  readonly settings: HubSettings;
  /** Served, and what listing it should give. */
  readonly config: ServedFile;
  readonly weights: ServedFile;
}

/** A Hub with one repository, and an empty cache. */
export async function startFixture(overrides: Partial<HubSettings> = {}): Promise<Fixture> {
  const hub = await startHub();
  const config = servedFile("unet/config.json", 1653, false);
  const weights = servedFile("unet/diffusion_pytorch_model.fp16.safetensors", 100_000);
  const files = [
    servedFile("README.md", 300, false),
    config,
    weights,
    servedFile("unet/diffusion_pytorch_model.bin", 5000),
  ];
  hub.repos.set(repo, { files, refs: { main: commit, "v1.0": commit } });
  return { hub, settings: { ...settingsFor(hub, await temporaryFolder()), ...overrides }, config, weights };
}

export function settingsFor(hub: TestHub, cacheFolder: string): HubSettings {
  return { endpoint: hub.url, cacheFolder, offline: false, userAgent: "if-gen/test", timeouts };
}

/** @returns a folder that is gone when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "if-gen-hub-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function listed(file: ServedFile): RepoFile {
  const hash = file.lfs ? { sha256: etagOf(file) } : { gitOid: etagOf(file) };
  return { path: file.path, bytes: file.content.length, ...hash };
}

/** Every path below a folder, sorted; links are not followed. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).toSorted();
}

export function blobsFolder(settings: HubSettings): string {
  return join(settings.cacheFolder, "models--DeepFloyd--IF-I-M-v1.0", "blobs");
}

export function expectContent(path: string, file: ServedFile): void {
  expect(readFileSync(path).equals(file.content), `${path} is ${file.path}`).toBe(true);
}

/** @returns the HubError that `run` ends with; anything else fails the test. */
export async function hubErrorOf(run: () => unknown): Promise<HubError> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(HubError);
    return error as HubError;
  }
  throw new Error("no error was thrown");
}
