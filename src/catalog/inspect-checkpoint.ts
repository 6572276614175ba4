/**
 * @module catalog/inspect-checkpoint
 * Is a stage's checkpoint all there? Looks at names and links only; no weights are opened, the Hub is not asked. So what
 * diffusers has downloaded is used as it lies.
 */

import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { configLimits } from "../files/json.ts";
import { readWords } from "../files/regular-file.ts";
import { type Variant, listVariants } from "../weights/variants.ts";
import type { Component, RepositoryLayout } from "../plan/stages.ts";

export interface Inspection {
  /** Folders, or their weights, that the checkpoint should have and has not. */
  readonly missing: readonly string[];
  /** Nothing essential is among them: the stage can run. */
  readonly usable: boolean;
}

/**
 * @param folder laid out as the Hub repository; need not exist.
 * @param requestedVariant for the networks that are published in it; absent: any variant will do.
 */
export async function inspectCheckpoint(
  folder: string,
  layout: RepositoryLayout,
  requestedVariant?: Variant,
): Promise<Inspection> {
  const indexed = readModelIndex(folder);
  const missing: string[] = [];
  for (const [name, component] of Object.entries(layout)) {
    if (!component.essential && !indexed.has(name)) continue;
    if (!(await hasComponent(join(folder, name), component, requestedVariant))) missing.push(name);
  }
  return { missing, usable: missing.every((name) => layout[name]?.essential === false) };
}

async function hasComponent(
  folder: string,
  { variants }: Component,
  requestedVariant: Variant | undefined,
): Promise<boolean> {
  if (variants.length === 0) return hasFile(folder);
  if (!isFile(join(folder, "config.json"))) return false;
  const presentVariants = await listVariants(folder);
  return requestedVariant !== undefined && variants.includes(requestedVariant)
    ? presentVariants.includes(requestedVariant)
    : presentVariants.length > 0;
}

async function hasFile(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => isFile(join(folder, name)));
}

/** Links are followed: one whose file is gone is no file. */
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** @returns the components that model_index.json says the checkpoint has; none if there is no such file. */
function readModelIndex(folder: string): ReadonlySet<string> {
  try {
    const json = z
      .record(z.string(), z.unknown())
      .parse(JSON.parse(readWords(join(folder, "model_index.json"), configLimits.maxBytes) ?? "{}"));
    const isComponent = (value: unknown): boolean =>
      Array.isArray(value) && value.every((part) => typeof part === "string");
    return new Set(
      Object.entries(json)
        .filter(([, value]) => isComponent(value))
        .map(([name]) => name),
    );
  } catch {
    return new Set(); // essentials are asked for whether or not it lists them
  }
}
