/**
 * What is measured, and on what.
 */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Plan } from "../../src/plan/plan.ts";

/** The repository's root: this file is built to build/scripts/bench/. */
const root = new URL("../../../", import.meta.url);

export const ifGen = fileURLToPath(new URL("bin/if-gen.js", root));
export const reference = fileURLToPath(new URL("scripts/bench/reference.py", root));
export const recorded = fileURLToPath(new URL("scripts/bench/recorded.json", root));
export const networkServer = fileURLToPath(new URL("serve-networks.js", import.meta.url));

export interface Settings {
  /** What if-gen's --model takes. */
  readonly model: string;
  /** An image of 1024 pixels: where the checkpoints lie, and the steps and guidance that the model's entry asks for. */
  readonly plan: Plan;
  readonly rounds: number;
  readonly threads: number;
  /** The interpreter that has torch and diffusers; absent: only our side is measured. */
  readonly python?: string;
}

const [PROMPT, SEED] = ["a red circle", "1"];

/** The image all runs draw. */
export const imageArguments = (model: string, threads: number, options: readonly string[] = []): string[] => [
  "txt2img",
  PROMPT,
  "--model",
  model,
  "--seed",
  SEED,
  "--threads",
  `${threads}`,
  ...options,
];

/** @throws {Error} if-gen's own words: there is no such model. */
export async function readPlan(args: readonly string[]): Promise<Plan> {
  const { stdout } = await promisify(execFile)(process.execPath, [ifGen, ...args, "--dry-run", "--json"]);
  return JSON.parse(stdout) as Plan;
}

/** @returns the checkpoint's folder. */
export function checkpointOf({ stages }: Plan, name: string): string {
  const stage = stages.find((one) => one.name === name);
  if (!stage) throw new Error(`the plan has no ${name}`);
  return stage.checkpoint;
}

export const log = (text: string): void => void process.stderr.write(`${text}\n`);
