/**
 * @module cli/models/show
 * `if-gen models show NAME`.
 */

import { type StageStatus, readCascadeStatus } from "../../catalog/cascade-status.ts";
import type { HubSettings } from "../../hub/types.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import { findCascade } from "../../catalog/find-model.ts";
import { type Pins, pinKey } from "../../catalog/pins.ts";
import { CheckpointError } from "../../errors.ts";
import { readKnownWords } from "../../plan/known-words.ts";
import { formatTable } from "../format.ts";
import { readHubContext } from "../../catalog/hub-context.ts";
import type { ModelsOptions } from "../models.ts";
import { diskWords, memoryWords, sizeWords } from "./status.ts";
import { formatBytes } from "../../machine/bytes.ts";
import { readStatusSources, modelStatus } from "../../catalog/model-status.ts";
import { printTable } from "../print-table.ts";
import { print, printJson } from "../terminal.ts";

/** @throws {CheckpointError} there is no such model; or it does not say which words it knows. */
export async function showModel(
  name: string,
  { modelsFile, json, variant, words }: ModelsOptions & { words?: boolean },
): Promise<void> {
  const context = readHubContext(modelsFile);
  const { manifest, settings } = context;
  const sources = await readStatusSources(context);
  const status = await readCascadeStatus(findCascade(name, manifest), sources, variant);
  if (words) return printWords(name, status.stages[0]?.folder, json);
  if (json) {
    const files = status.stages.map((stage) => ({ stage: stage.stage, files: pinnedFiles(stage, sources.pins) }));
    printJson({ ...modelStatus(status), pinned: files });
    return;
  }
  const { description, license } = status.cascade;
  const facts = [
    ["model", name],
    ...(description === "" ? [] : [["what", description]]),
    ...(license === "" ? [] : [["licence", license]]),
    ["size", sizeWords(status.bytes, status.exact)],
    ["memory", memoryWords(status, sources)],
    ["disk", diskWords(status, sources)],
  ];
  const stages = status.stages.map((stage) => describeStage(stage, manifest, settings, sources.pins));
  printTable(`${formatTable(facts)}\n${stages.join("\n")}`);
}

async function printWords(name: string, folder: string | undefined, json = false): Promise<void> {
  const knownWords = folder === undefined ? undefined : await readKnownWords(folder);
  if (knownWords === undefined) {
    throw new CheckpointError(
      `${name} does not say which words it knows: models trained on the web know most of them.`,
    );
  }
  if (json) printJson(knownWords);
  else print(`${knownWords.words.join("\n")}\n`);
}

function describeStage(status: StageStatus, manifest: Manifest, settings: HubSettings, pins: Pins): string {
  const { stage, source, present, missing, folder, commit } = status;
  const rows = [
    [stage.replace("stage", "stage "), source.kind === "hub" ? `${source.repo}@${source.revision}` : source.folder],
  ];
  const add = (label: string, text: string): void => void rows.push([`  ${label}`, text]);
  add("here", present ? "yes" : missing.length > 0 && folder !== undefined ? `without ${missing.join(" and ")}` : "no");
  add("size", sizeWords(status.bytes, status.exact));
  if (source.kind === "hub") {
    const { acceptAt, license, approximateBytes = {} } = manifest.repositories.get(source.repo) ?? {};
    if (license !== undefined) add("licence", license);
    if (acceptAt !== undefined) add("accept at", `${settings.endpoint}/${acceptAt}`);
    for (const [network, sizes] of Object.entries(approximateBytes)) {
      const variants = Object.entries(sizes).map(([variant, bytes]) => `${variant} ${sizeWords(bytes, false)}`);
      add(network, variants.join(", "));
    }
  }
  if (commit !== undefined) add("commit", commit);
  if (folder !== undefined && commit !== undefined) add("folder", folder);
  const files = pinnedFiles(status, pins);
  if (files.length > 0) add("pinned", `${files.length} files`);
  for (const { path, bytes, sha256, gitOid } of files) {
    add("", `${path}  ${formatBytes(bytes)}  ${sha256 === undefined ? `git ${gitOid}` : `sha256 ${sha256}`}`);
  }
  return formatTable(rows);
}

function pinnedFiles({ source }: StageStatus, pins: Pins): NonNullable<ReturnType<Pins["get"]>>["files"] {
  return source.kind === "hub" ? (pins.get(pinKey(source.repo, source.revision))?.files ?? []) : [];
}
