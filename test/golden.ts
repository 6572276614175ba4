/**
 * Where the reference numbers lie: `$IF_GEN_GOLDEN` (the full set, for developers who made it with scripts/golden/)
 * or test/golden, the part that travels with the repository.
 */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listVariants, type Variant } from "../src/weights/variants.ts";

const bundled = fileURLToPath(new URL("golden", import.meta.url));
const root = process.env["IF_GEN_GOLDEN"] ?? bundled;

/** @returns the absolute path of a golden file or folder, e.g. `module/t5.safetensors`. */
export function goldenPath(...parts: string[]): string {
  return join(root, ...parts);
}

/** @returns the same of a file that sets made by older scripts lack: then test/golden's own. */
export function availablePath(...parts: string[]): string {
  return hasGolden(...parts) ? goldenPath(...parts) : bundledPath(...parts);
}

/** @returns the absolute path of a file of test/golden, whichever set is in use. */
export function bundledPath(...parts: string[]): string {
  return join(bundled, ...parts);
}

/** Is this file part of the set in use? */
export function hasGolden(...parts: string[]): boolean {
  return existsSync(goldenPath(...parts));
}

/**
 * The weights that the reference computed with: fp32, or fp16 where the set has only these. There they were rounded before
 * it ran, so the numbers are the same.
 */
export async function referenceVariant(network: string): Promise<Variant> {
  return (await listVariants(network)).includes("fp32") ? "fp32" : "fp16";
}

/** The same for a whole cascade, as `--variant` takes it. */
export const storedVariant = hasGolden("checkpoints/if-i/unet/diffusion_pytorch_model.safetensors") ? "fp32" : "fp16";

/** A file of T5 in that variant, the first if there are several. */
export const referenceT5File = storedVariant === "fp32" ? "model.safetensors" : "model.fp16-00001-of-00002.safetensors";

/** @returns the side of the images that a checkpoint of the set draws, in pixels. */
export function goldenSampleSize(checkpoint: "if-i" | "if-ii"): number {
  const config = readFileSync(goldenPath("checkpoints", checkpoint, "unet", "config.json"), "utf8");
  return (JSON.parse(config) as { sample_size: number }).sample_size;
}

/** @returns the names in a golden folder that end so, without the ending, sorted. */
export function goldenNames(folder: string, ending: string): string[] {
  return readdirSync(goldenPath(folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
}
