/**
 * The tiny reference checkpoints with UNets of two blocks, for tests that compare runs with each other: opening a UNet takes time
 * for each of its layers, and the reference's has as many as the published one. Numbers of the reference need test/golden's own.
 * vitest.config.ts has them made once, before the tests; weights are random.
 */

import { chmodSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import type { TestProject } from "vitest/node";
import { writeComponent } from "../scripts/synthesize/write-component.ts";
import { goldenPath, storedVariant } from "./golden.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly smallModel: string;
  }
}

/** @returns the absolute path of the cascade's folder, or of a file or folder in it. */
export const smallModel = (...parts: string[]): string => join(inject("smallModel"), ...parts);

const blocks = { block_out_channels: [8, 16], layers_per_block: 1 };
const ofIf = {
  ...blocks,
  down_block_types: ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
  up_block_types: ["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
};
const changes: Readonly<Record<string, object>> = {
  "if-i": ofIf,
  "if-ii": ofIf,
  "x4-upscaler": {
    ...blocks,
    down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
    only_cross_attention: [true, false],
  },
};

/** For vitest. @returns what removes them. */
export async function setup(project: TestProject): Promise<() => void> {
  const parent = mkdtempSync(join(tmpdir(), "if-gen-small-model-"));
  chmodSync(parent, 0o755); // other users draw with it too
  const folder = join(parent, "checkpoints");
  cpSync(goldenPath("checkpoints"), folder, { recursive: true });
  for (const [checkpoint, change] of Object.entries(changes)) {
    const unet = join(folder, checkpoint, "unet");
    const config = JSON.parse(readFileSync(join(unet, "config.json"), "utf8")) as object;
    for (const name of readdirSync(unet)) rmSync(join(unet, name));
    writeFileSync(join(unet, "config.json"), JSON.stringify({ ...config, ...change }));
    await writeComponent(join(unet, "config.json"), unet, storedVariant);
  }
  project.provide("smallModel", folder);
  return () => rmSync(parent, { recursive: true, force: true });
}
