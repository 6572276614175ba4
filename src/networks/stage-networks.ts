/**
 * @module networks/stage-networks
 * Which networks a stage runs, at which shapes, in the order it runs them: what the pipelines do, known before they do it.
 * Only graphs are made here; nothing is loaded.
 */

import { join } from "node:path";
import { buildClipText, readClipTextConfig } from "../models/clip-text.ts";
import { buildSafetyChecker, readSafetyCheckerConfig } from "../models/clip-vision.ts";
import { buildIfUnet } from "../models/if-unet.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { buildSdUnetForTexts } from "../models/sd-unet.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../models/t5-encoder.ts";
import { buildVaeDecoder, readVaeConfig } from "../models/vae.ts";
import type { Graph } from "../onnx/graph.ts";
import { withInt8Activations } from "../onnx/int8-activations.ts";
import { type DiffusionStage, type Plan, type Stage, stepCount } from "../plan/plan.ts";
import type { Variant } from "../weights/variants.ts";

export interface StageNetwork {
  readonly name: string;
  /** The component's folder. */
  readonly folder: string;
  /** The variants such a network is published in. */
  readonly published: readonly Variant[];
  /** How often it runs at most: once, or again with everything mapped. */
  readonly runs: "once" | "often";
  /** How many samples it runs on. */
  readonly batch: number;
  readonly build: (batch: number) => Graph;
  /** May a graphics card compute it in float16? As in networks/components. */
  readonly fitsFloat16: boolean;
  /** May its maps be computed in strips? */
  readonly strips: boolean;
  /** The inputs that differ from step to step; what does not depend on them is computed once. As in networks/components. */
  readonly varying?: readonly string[];
}

const TEXT_LENGTH = 77;
const unetVariants: readonly Variant[] = ["fp16", "fp32"];
const varying: readonly string[] = ["sample", "timestep"];

/** @throws {CheckpointError} a config is missing or not understood. */
export async function stageNetworks(plan: Plan, stage: Stage): Promise<readonly StageNetwork[]> {
  const { checkpoint } = stage;
  if (stage.name === "text-encoding") {
    const folder = join(checkpoint, "text_encoder");
    const config = await readT5EncoderConfig(folder);
    const build = (batch: number): Graph => {
      const graph = buildT5Encoder(config, { batch, textLength: TEXT_LENGTH });
      return plan.textEncoder?.activations === "int8" ? withInt8Activations(8)(graph) : graph;
    };
    const common = { runs: "once", batch: 2, fitsFloat16: false, strips: false } as const;
    return [{ name: "T5", folder, published: ["8bit", "fp16", "fp32"], build, ...common }];
  }
  if (stage.name === "safety") {
    const folder = join(checkpoint, "safety_checker");
    const config = await readSafetyCheckerConfig(folder);
    const build = (batch: number): Graph => buildSafetyChecker(config, { batch });
    return [
      {
        name: "CLIP vision",
        folder,
        published: unetVariants,
        runs: plan.numImages === 1 ? "once" : "often",
        batch: 1,
        build,
        fitsFloat16: false,
        strips: false,
      },
    ];
  }
  const batch = plan.numImages * (stage.guidanceScale > 1 ? 2 : 1);
  return stage.name === "stage-3" ? upscalerNetworks(plan, stage, batch) : [await ifUnet(stage, batch)];
}

async function ifUnet(stage: DiffusionStage, batch: number): Promise<StageNetwork> {
  const { checkpoint, width, height } = stage;
  const folder = join(checkpoint, "unet");
  const config = await readIfUnetConfig(folder);
  const build = (own: number): Graph => buildIfUnet(config, { batch: own, height, width, textLength: TEXT_LENGTH });
  const common = { published: unetVariants, fitsFloat16: true, strips: false, varying };
  return { name: "UNet", folder, runs: runsOf(stage), batch, build, ...common };
}

const runsOf = (stage: DiffusionStage): StageNetwork["runs"] => (stepCount(stage) === 1 ? "once" : "often");

async function upscalerNetworks(plan: Plan, stage: DiffusionStage, batch: number): Promise<StageNetwork[]> {
  const folderOf = (component: string): string => join(stage.checkpoint, component);
  const clip = await readClipTextConfig(folderOf("text_encoder"));
  const unet = await readSdUnetConfig(folderOf("unet"));
  const vae = await readVaeConfig(folderOf("vae"));
  const factor = 2 ** (vae.block_out_channels.length - 1);
  const [height, width] = [stage.height / factor, stage.width / factor];
  const common = { published: unetVariants, fitsFloat16: false, strips: false };
  const [sides, texts] = [{ height, width, textLength: TEXT_LENGTH }, stage.guidanceScale > 1 ? 2 : 1];
  return [
    {
      ...common,
      name: "CLIP text",
      runs: "once",
      folder: folderOf("text_encoder"),
      batch,
      build: (own) => buildClipText(clip, { batch: own, textLength: TEXT_LENGTH }),
    },
    {
      ...common,
      name: "UNet",
      runs: runsOf(stage),
      folder: folderOf("unet"),
      fitsFloat16: true,
      varying,
      batch,
      build: (own) => buildSdUnetForTexts(unet, { ...sides, samples: batch, texts }, own),
    },
    {
      ...common,
      name: "VAE decoder",
      runs: plan.numImages === 1 ? "once" : "often",
      folder: folderOf("vae"),
      batch: 1,
      build: (own) => buildVaeDecoder(vae, { batch: own, height, width }),
      strips: true,
    },
  ];
}
