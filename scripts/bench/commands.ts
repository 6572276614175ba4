/**
 * Whole commands, started anew each time: how soon `if-gen` is there, and an image from the first byte to the PNG beside
 * the same in diffusers: same checkpoints, prompt, seed, steps and guidance, float32.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { type Pair, inTurn, pair } from "./pairs.ts";
import { type CommandRun, runCommand } from "./process-tree.ts";
import { type Settings, ifGen, log, imageArguments, readPlan, reference } from "./settings.ts";

const node = process.execPath;

/** Against an empty program of the same Node. */
export async function benchStart({ rounds }: Settings): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const args of [["--version"], ["--help"], ["txt2img", "--help"]]) {
    log(`if-gen ${args.join(" ")} ...`);
    const [ours = [], bare = []] = await inTurn(3 * rounds, [
      () => timeOf(node, [ifGen, ...args]),
      () => timeOf(node, ["--eval", "0"]),
    ]);
    pairs.push(pair(`if-gen ${args.join(" ")}`, "ms", ours, bare, "an empty Node program"));
  }
  return pairs;
}

async function timeOf(command: string, args: readonly string[]): Promise<number> {
  return checked(await runCommand(command, args)).milliseconds;
}

/** Steps and guidance are the model's own where nothing else is said. */
const wholes = [
  { name: "first step of stage 1", options: ["--until", "64", "--stage-1-steps", "1"] },
  { name: "64 px", options: ["--until", "64"] },
  { name: "256 px", options: ["--until", "256"] },
  { name: "1024 px", options: [] },
];

export async function benchWhole(settings: Settings): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const { name, options } of wholes) {
    log(`${name} ...`);
    pairs.push(...(await benchRun(name, options, { ...settings, rounds: Math.ceil(settings.rounds / 2) })));
  }
  return pairs;
}

async function benchRun(name: string, options: readonly string[], settings: Settings): Promise<Pair[]> {
  const { model, rounds, threads, python } = settings;
  const folder = await mkdtemp(join(tmpdir(), "if-gen-bench-"));
  try {
    const imageWords = imageArguments(model, threads, options);
    const [ours, theirs] = [join(folder, "ours.png"), join(folder, "theirs.png")];
    const run = [ifGen, ...imageWords, "--output", ours, "--overwrite"];
    const ways = [async () => checked(await runCommand(node, run))];
    if (python !== undefined) {
      // the plan tells the reference which checkpoints, steps, guidance and noise levels
      const plan = join(folder, "plan.json");
      ways.push(async () => checked(await runCommand(python, [reference, "draw", plan, theirs, `${threads}`])));
      await writeFile(plan, JSON.stringify(await readPlan(imageWords)));
    }
    const [ourRuns = [], theirRuns = []] = await inTurn(rounds, ways, { warmUp: false });
    if (python !== undefined)
      log(`  mean difference of the images: ${(await difference(ours, theirs)).toFixed(2)} of 255`);
    return rows(name, ourRuns, theirRuns);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function rows(name: string, ours: readonly CommandRun[], theirs: readonly CommandRun[]): Pair[] {
  const megabytes = (field: "peakBytes" | "peakPrivateBytes" | "loadedBytes", runs: readonly CommandRun[]): number[] =>
    runs.flatMap((run) => (run[field] === undefined ? [] : [run[field] / 1e6]));
  const times = (runs: readonly CommandRun[]): number[] => runs.map(({ milliseconds }) => milliseconds);
  return [
    pair(`${name}: wall time`, "ms", times(ours), times(theirs)),
    pair(`${name}: peak memory`, "MB", megabytes("peakBytes", ours), megabytes("peakBytes", theirs)),
    pair(`${name}: of it private`, "MB", megabytes("peakPrivateBytes", ours), megabytes("peakPrivateBytes", theirs)),
    pair(`${name}: bytes loaded`, "MB", megabytes("loadedBytes", ours), megabytes("loadedBytes", theirs)),
  ].filter(({ ours: value }) => !Number.isNaN(value));
}

function checked(run: CommandRun): CommandRun {
  if (run.exitCode === 0) return run;
  throw new Error(`a command ended with exit code ${run.exitCode}: ${run.stderr.trim()}`);
}

/** @returns the mean difference of two images' bytes. */
async function difference(ours: string, theirs: string): Promise<number> {
  const [a, b] = await Promise.all([ours, theirs].map((path) => sharp(path).removeAlpha().raw().toBuffer()));
  if (!a || !b || a.length !== b.length) throw new Error("the images differ in size");
  return a.reduce((sum, byte, index) => sum + Math.abs(byte - (b[index] ?? 0)), 0) / a.length;
}
