/**
 * @module networks/stage-networks
 * Which networks a stage of a plan runs, in the order in which it runs them. Only configs are read.
 */

import type { DiffusionStage, PlacedRun, Stage } from "../plan/plan.ts";
import { type PipelineName, describeStage } from "../plan/stages.ts";
import { textsAtOnce } from "../plan/text-batch.ts";
import type { NetworkDescription } from "./description.ts";
import { type DrawnShape, describeIfUnet } from "./if-unet.ts";
import { describeEsrgan } from "./esrgan.ts";
import { describeSafetyChecker } from "./safety-checker.ts";
import { describeT5Encoder } from "./text-encoder.ts";
import { describeUpscaler } from "./upscaler.ts";

export interface StageNetwork extends NetworkDescription {
  /** Does it run once, so that each weight is read once and need not stay? Else it runs again with everything mapped. */
  readonly runsOnce: boolean;
  /** Of a network that denoises step by step: for how many jobs. */
  readonly denoisedJobs?: number;
}

type SharedSettings = Pick<PlacedRun, "jobs" | "numImages" | "textEncoder" | "gpuStages" | "jobsAtOnce">;
type Describe = (stage: Stage, shared: SharedSettings) => Promise<readonly StageNetwork[]>;

const ifUnet: Describe = async (stage, { jobs, numImages, jobsAtOnce }) => {
  const { checkpoint, steps, lora, ...drawn } = diffusion(stage);
  const images = numImages * (jobsAtOnce?.[stage.name] ?? 1);
  const network = await describeIfUnet(checkpoint, shapeOf(drawn, images), lora);
  return [{ ...network, runsOnce: steps * jobs.length === 1, denoisedJobs: jobs.length }];
};

const descriptions: Readonly<Record<PipelineName, Describe>> = {
  "text-encoder": async (stage, { jobs, textEncoder, gpuStages }) => {
    if (stage.kind !== "text") throw new Error(`${stage.name} encodes nothing`);
    if (stage.readsEmbeds) return [];
    const activationBits = textEncoder?.activations === "int8" ? 8 : undefined;
    const { texts, ...beside } = textsAtOnce(stage, jobs, textEncoder, gpuStages[stage.name]);
    const batch = { texts: texts * (stage.textParts ?? 1), ...beside };
    const network = await describeT5Encoder(stage.checkpoint, batch, stage.lora, activationBits);
    return [{ ...network, runsOnce: jobs.length === 1 }];
  },
  if: ifUnet,
  "if-super-resolution": ifUnet,
  upscale: async (stage, { jobs, numImages, jobsAtOnce }) => {
    const { checkpoint, steps, lora, ...drawn } = diffusion(stage);
    const images = numImages * (jobsAtOnce?.[stage.name] ?? 1);
    const { text, unet, decoder } = await describeUpscaler(checkpoint, shapeOf(drawn, images), lora);
    return [
      { ...text, runsOnce: jobs.length === 1 },
      { ...unet, runsOnce: steps * jobs.length === 1, denoisedJobs: jobs.length },
      { ...decoder, runsOnce: numImages * jobs.length === 1 },
    ];
  },
  esrgan: async (stage, { jobs, numImages }) => {
    if (stage.kind !== "single-pass") throw new Error(`${stage.name} enlarges nothing in one pass`);
    const { network } = await describeEsrgan(stage.checkpoint, stage);
    return [{ ...network, runsOnce: numImages * jobs.length === 1 && !stage.tiles }];
  },
  "safety-checker": async ({ checkpoint }, { jobs, numImages }) => [
    { ...(await describeSafetyChecker(checkpoint)), runsOnce: numImages * jobs.length === 1 },
  ],
};

/** @throws {CheckpointError} a config is missing or not understood. */
export function stageNetworks(shared: SharedSettings, stage: Stage): Promise<readonly StageNetwork[]> {
  return descriptions[describeStage(stage.name).pipeline](stage, shared);
}

/** @returns the shape of what a stage draws. */
export function shapeOf(
  { guidanceScale, positiveMixer, styled, textParts, width, height, tiles }: Omit<DrawnShape, "images">,
  images: number,
): DrawnShape {
  return { images, guidanceScale, positiveMixer, styled, textParts, width, height, tiles };
}

function diffusion(stage: Stage): DiffusionStage {
  if (stage.kind === "diffusion") return stage;
  throw new Error(`${stage.name} draws nothing`);
}
