/** Requests for the tiny checkpoints, and the built program that draws them: only there stages have a worker to run in. */

import { existsSync } from "node:fs";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Request } from "../../src/plan/request.ts";
import { type Side, diffusionUntil } from "../../src/plan/stages.ts";
import type { RunSettings } from "../../src/run/settings.ts";
import { goldenPath, storedVariant } from "../golden.ts";
import { plainRequest } from "../plan/plain-request.ts";
import { smallModel } from "../small-model.ts";

/** @returns a module of dist/, typed as its source. @throws {Error} the program has not been built. */
export async function importBuilt<Module>(path: string): Promise<Module> {
  const url = new URL(`../../dist/${path}.js`, import.meta.url);
  if (!existsSync(fileURLToPath(url))) throw new Error("dist/ is missing: run `npm run build` first");
  return (await import(url.href)) as Module;
}

/** A few steps on the CPU. */
export const tinyRequest: Request = {
  ...plainRequest,
  model: smallModel(),
  variant: storedVariant,
  until: 64,
  stages: { "stage-1": { steps: 2 } },
  safety: "off",
  executionProvider: "cpu",
  threads: 1, // as vitest.config.ts says of the command line's
};

/** The same of the reference's own checkpoints, whose images and layers are compared with the reference's. */
export const ofReference = (request: Request): Request => ({ ...request, model: goldenPath("checkpoints") });

/** The same with the stages up to that side. */
export function tinyUntil(until: Side): Request {
  return {
    ...tinyRequest,
    until,
    stages: Object.fromEntries(diffusionUntil(until).map(({ name }) => [name, { steps: 2 }])),
  };
}

/** Budgets that do not depend on what the machine has free: nothing of this takes a tenth of it. */
export const tinySettings: RunSettings = { download: false, budgets: { ram: 4e9, vram: 4e9 } };

/** @returns the tiny cascade in a folder of its own, its first stage with another scheduler. */
export async function withScheduler(folder: string, className: string): Promise<string> {
  for (const name of ["if-ii", "x4-upscaler"]) await symlink(smallModel(name), join(folder, name));
  const first = smallModel("if-i");
  await mkdir(join(folder, "if-i"));
  for (const name of ["text_encoder", "tokenizer", "unet", "watermarker"]) {
    await symlink(join(first, name), join(folder, "if-i", name));
  }
  await cp(join(first, "scheduler"), join(folder, "if-i", "scheduler"), { recursive: true });
  const file = join(folder, "if-i", "scheduler", "scheduler_config.json");
  const config = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(file, JSON.stringify({ ...config, _class_name: className }));
  return folder;
}
