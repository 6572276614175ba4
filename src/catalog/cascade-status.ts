/**
 * @module catalog/cascade-status
 * What of a cascade is here, how large the whole is, and whether this machine can hold and run it. Asks no server.
 */

import { stat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { HubSettings } from "../hub/types.ts";
import type { Variant } from "../weights/variants.ts";
import { inspectCheckpoint } from "./inspect-checkpoint.ts";
import { locateStage } from "./locate.ts";
import { type Cascade, type Manifest, type StageSource } from "./manifest.ts";
import type { Repository } from "./manifest-schema.ts";
import { type Pins, pinKey } from "./pins.ts";
import { totalBytes } from "./select-files.ts";
import { repositoryLayouts, type RepositoryKey, repositoryKeys } from "../plan/stages.ts";
import { type Hardware, usableMemoryBytes } from "../machine/hardware.ts";

export interface StageStatus {
  readonly stage: RepositoryKey;
  readonly source: StageSource;
  readonly present: boolean;
  /** What is missing of a checkpoint that is there in part. */
  readonly missing: readonly string[];
  /** The checkpoint, if it is there. */
  readonly folder?: string;
  readonly commit?: string;
  /** Of the files a run reads; undefined: not known before the Hub is asked. */
  readonly bytes?: number;
  /** `bytes` are the Hub's or the disk's own, not models.json's. */
  readonly exact: boolean;
}

export interface CascadeStatus {
  readonly cascade: Cascade;
  readonly stages: readonly StageStatus[];
  readonly present: boolean;
  /** Sums over the stages; undefined: one of them is not known. */
  readonly bytes?: number;
  readonly missingBytes?: number;
  readonly exact: boolean;
  /** undefined: models.json does not say what it needs. */
  readonly fitsMemory?: boolean;
  readonly fitsDisk?: boolean;
}

export interface StatusSources {
  readonly manifest: Manifest;
  readonly settings: HubSettings;
  readonly pins: Pins;
  readonly hardware: Hardware;
  /** Where the cache lies. */
  readonly freeDiskBytes: number;
}

export async function readCascadeStatus(
  cascade: Cascade,
  sources: StatusSources,
  variant?: Variant,
): Promise<CascadeStatus> {
  const stages = await Promise.all(
    repositoryKeys.map((stage) => readStageStatus(stage, cascade.stages[stage], sources, variant)),
  );
  const bytes = sum(stages);
  const missingBytes = sum(stages.filter(({ present, source }) => !present && source.kind === "hub"));
  return {
    cascade,
    stages,
    present: stages.every(({ present }) => present),
    ...(bytes === undefined ? {} : { bytes }),
    ...(missingBytes === undefined ? {} : { missingBytes, fitsDisk: missingBytes <= sources.freeDiskBytes }),
    exact: stages.every(({ exact }) => exact),
    ...(cascade.memoryBytes === undefined
      ? {}
      : { fitsMemory: cascade.memoryBytes <= usableMemoryBytes(sources.hardware) }),
  };
}

function sum(stages: readonly StageStatus[]): number | undefined {
  return stages.reduce<number | undefined>(
    (total, { bytes }) => (total === undefined || bytes === undefined ? undefined : total + bytes),
    0,
  );
}

async function readStageStatus(
  stage: RepositoryKey,
  source: StageSource,
  { manifest, settings, pins }: StatusSources,
  variant: Variant | undefined,
): Promise<StageStatus> {
  if (source.kind === "folder") {
    const { missing } = await inspectCheckpoint(source.folder, repositoryLayouts[stage], variant);
    const bytes = await folderBytes(source.folder);
    const present = missing.length === 0;
    const exists = bytes > 0; // a folder that is not there has no size that could be known
    return {
      stage,
      source,
      present,
      ...(exists ? { bytes, folder: source.folder, missing } : { missing: [] }),
      exact: true,
    };
  }
  const located = await locateStage(settings, pins, stage, source, variant);
  const pin = pins.get(pinKey(source.repo, source.revision));
  const pinnedBytes = variant === undefined && pin ? totalBytes(pin.files) : undefined;
  const bytes = pinnedBytes ?? approximateBytes(manifest.repositories.get(source.repo), stage, variant);
  return {
    stage,
    source,
    present: located?.missing.length === 0,
    missing: located?.missing ?? [],
    ...(located ? { folder: located.folder, commit: located.commit } : {}),
    ...(bytes === undefined ? {} : { bytes }),
    exact: pinnedBytes !== undefined,
  };
}

/** @returns the networks' variants as a pull would choose them, summed up; undefined: models.json gives no sizes. */
function approximateBytes(
  repository: Repository | undefined,
  stage: RepositoryKey,
  requestedVariant: Variant | undefined,
): number | undefined {
  let total = 0;
  for (const [name, { variants, essential }] of Object.entries(repositoryLayouts[stage])) {
    if (variants.length === 0) continue;
    const sizes = repository?.approximateBytes[name];
    const bytes = (requestedVariant && sizes?.[requestedVariant]) ?? sizes?.["8bit"] ?? sizes?.fp16 ?? sizes?.fp32;
    if (bytes === undefined && essential) return undefined;
    total += bytes ?? 0;
  }
  return total;
}

async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      stat(join(parentPath, name)).then(
        (file) => (file.isFile() ? file.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((total, size) => total + size, 0);
}
