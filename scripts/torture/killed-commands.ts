/** What is killed, and what may then be found under a final name. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { verifyDerivedWeights } from "../../src/weights/derived-weights.ts";
import type { KilledCommand } from "./kills.ts";
import { drawing, emptyFolder, hashOf, listTree, run } from "./program.ts";

/** Draws both IF stages with a run folder, which `--resume` goes on with. */
export async function killedRun(root: string): Promise<KilledCommand> {
  const stages = ["--until", "256", "--stage-2-steps", "2", "--run-dir", "run", "--resume", "--save-stages", "stages"];
  return drawnCommand([...drawing, ...stages], root, /^work\/run\/run\.json$/);
}

/** Makes T5 in 4 bits and the UNet in 8 first. */
export async function killedQuantisation(root: string): Promise<KilledCommand> {
  const args = [...drawing, "--text-encoder-bits", "4", "--unet-bits", "8"];
  const command = await drawnCommand(args, root, /\/checked\.json$/);
  return { ...command, faults: async (home) => [...(await command.faults(home)), ...(await weightFaults(home))] };
}

/** Seven jobs in chunks of three; the manifest and the batch's own state tell times and random seeds. */
export async function killedBatch(root: string): Promise<KilledCommand> {
  const jobs = join(root, "batch.jsonl");
  const lines = Array.from({ length: 7 }, (_, index) => JSON.stringify({ prompt: `a cat ${index}`, seed: index }));
  writeFileSync(jobs, lines.join("\n"));
  const ofOneImage = ["--seed", "-o"];
  const options = drawing
    .slice(2)
    .filter((word, index, words) => ![word, words[index - 1]].some((one) => ofOneImage.includes(one ?? "")));
  const args = ["batch", jobs, ...options, "--output-dir", "out", "--chunk", "3"];
  const command = await drawnCommand(args, root, /^work\/out\/(manifest\.jsonl|\.if-gen\/batch\.json)$/);
  return { ...command, args: [...args, "--resume"] };
}

/** `--resume` says 0 and leaves `cat.png` where it is whole, so one command is right at every moment; others need --overwrite. */
async function drawnCommand(words: readonly string[], root: string, varies: RegExp): Promise<KilledCommand> {
  const home = join(root, "whole");
  emptyFolder(home);
  const args = [...words, "--overwrite"];
  const { code, stderr } = await run(args, home);
  if (code !== 0) throw new Error(stderr);
  const files = listTree(home);
  const named = [...files].filter(([path]) => /\.(png|safetensors)$/.test(path) && path.startsWith("work/"));
  const faults = async (killed: string): Promise<string[]> =>
    named.flatMap(([path, hash]) => {
      const found = join(killed, path);
      return existsSync(found) && hashOf(found) !== hash ? [`${path} has other bytes`] : [];
    });
  return { args, faults, varies, killsInARow: 4 };
}

/** What says that it is finished has to be right. */
async function weightFaults(home: string): Promise<string[]> {
  const caches = ["text-encoder", "unet"].map((name) => join(home, "cache", "if-gen", name));
  const results = (await Promise.all(caches.map((cache) => verifyDerivedWeights(cache)))).flat();
  return results.filter(({ ok }) => !ok).map(({ name, reason }) => `${name}: ${reason}`);
}

export function killedPull(endpoint: string): KilledCommand {
  const env = { HF_ENDPOINT: endpoint };
  return {
    args: ["models", "pull", "if-m", "--quiet"],
    env,
    faults: async (home) => blobFaults(home),
    varies: /\.checked$/,
    killsInARow: 1,
  };
}

/** A blob's name is the hash of its content. */
function blobFaults(home: string): string[] {
  const hub = join(home, "huggingface", "hub");
  if (!existsSync(hub)) return [];
  const files = readdirSync(hub, { recursive: true, encoding: "utf8" }).filter((path) => path.includes("/blobs/"));
  return files.flatMap((path) => {
    const name = basename(path);
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name)) return []; // on its way
    const content = readFileSync(join(hub, path));
    const hash = name.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${content.length}\0`);
    return hash.update(content).digest("hex") === name ? [] : [`${path} has other bytes than its name says`];
  });
}
