/**
 * One run of each network, ours and the reference's in turn: both loaded, both warm, the same shapes and threads.
 */

import { join } from "node:path";
import { startLineProcess } from "./line-process.ts";
import { type Pair, inTurn, pair } from "./pairs.ts";
import { type Settings, checkpointOf, log, networkServer, reference } from "./settings.ts";
import type { StageName } from "../../src/plan/stages.ts";
import { stageEnvironment } from "../../src/machine/environment.ts";

export type NetworkName = "T5" | "stage 1 UNet" | "stage 2 UNet" | "stage 3 UNet" | "VAE decoder";

interface Measurement {
  readonly stage: StageName;
  readonly component: string;
  /** 2: an image with guidance. */
  readonly batch: number;
  /** Of a round, which so takes about a second. */
  readonly runs: number;
}

const measurements: Readonly<Record<NetworkName, Measurement>> = {
  T5: { stage: "text-encoding", component: "text_encoder", batch: 2, runs: 50 },
  "stage 1 UNet": { stage: "stage-1", component: "unet", batch: 2, runs: 10 },
  "stage 2 UNet": { stage: "stage-2", component: "unet", batch: 2, runs: 2 },
  "stage 3 UNet": { stage: "stage-3", component: "unet", batch: 2, runs: 2 },
  "VAE decoder": { stage: "stage-3", component: "vae", batch: 1, runs: 1 },
};

export async function benchNetworks(settings: Settings): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const [name, measurement] of Object.entries(measurements)) {
    pairs.push(await benchNetwork(name as NetworkName, measurement, settings));
  }
  return pairs;
}

async function benchNetwork(
  network: NetworkName,
  { stage, component, batch, runs }: Measurement,
  { plan, rounds, threads, python }: Settings,
): Promise<Pair> {
  log(`${network} ...`);
  const checkpoint = checkpointOf(plan, stage);
  const folder = join(checkpoint, component); // what diffusers loads; here the pipelines know it
  const lowMemory = plan.lowMemory[stage] ?? {};
  const sides = [startLineProcess(process.execPath, [networkServer], stageEnvironment())];
  if (python !== undefined) sides.push(startLineProcess(python, [reference, "serve"]));
  try {
    for (const side of sides) await side.ask({ network, checkpoint, folder, batch, threads, lowMemory });
    const [ours = [], theirs = []] = await inTurn(
      rounds,
      sides.map((side) => async () => (await side.ask<{ milliseconds: number }>({ runs })).milliseconds),
    );
    return pair(`${network}, batch ${batch}`, "ms", ours, theirs);
  } finally {
    for (const side of sides) await side.end();
  }
}
