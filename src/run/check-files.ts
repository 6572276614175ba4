/**
 * @module run/check-files
 * Opens and parses all that a stage, or the last write, will read beside its networks' configs and weights (which memory is
 * predicted from): what is missing or broken is found before the first stage begins, not after the last.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { readClipTextConfig } from "../models/clip-text.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { readSdUnetConfig } from "../models/sd-unet-config.ts";
import { readT5EncoderConfig } from "../models/t5-encoder.ts";
import { checkSameWidth } from "../networks/description.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import { openClipTokenizer, openT5Tokenizer } from "../networks/open-tokenizer.ts";
import { readClipFeatures } from "../networks/safety-checker.ts";
import { findWatermark } from "../networks/watermark.ts";
import { type PlannedRun, type Stage, watermarkCheckpoint } from "../plan/plan.ts";
import { type PipelineName, describeStage } from "../plan/stages.ts";

/** @param text where T5 is; absent: embeddings are given, and checked, or no stage takes them. */
type Check = (stage: Stage, text: string | undefined) => Promise<unknown>;

const readsEmbeds = (stage: Stage): boolean => stage.kind === "text" && stage.readsEmbeds === true;

const checks: Readonly<Record<PipelineName, Check>> = {
  "text-encoder": async (stage) => {
    if (readsEmbeds(stage)) return;
    checkText(stage.checkpoint);
    await openT5Tokenizer(stage.checkpoint);
  },
  if: ({ checkpoint }, text) => checkEmbeds(checkpoint, text),
  "if-super-resolution": async ({ checkpoint }, text) => {
    await checkEmbeds(checkpoint, text);
    await openScheduler(checkpoint, "image_noising_scheduler");
  },
  upscale: async ({ checkpoint }) => {
    await openClipTokenizer(checkpoint);
    await openScheduler(checkpoint, "low_res_scheduler");
    const { hidden_size: width } = await readClipTextConfig(join(checkpoint, "text_encoder"));
    const { cross_attention_dim: taken } = await readSdUnetConfig(join(checkpoint, "unet"));
    checkSameWidth(`${checkpoint}'s CLIP embedding`, width, "its UNet", taken);
  },
  esrgan: async () => {}, // its file was read to plan it
  "safety-checker": ({ checkpoint }) => readClipFeatures(checkpoint),
};

/** @throws {CheckpointError} a file is missing or not understood, or checkpoints do not belong together. */
export async function checkFiles(plan: Pick<PlannedRun, "stages" | "watermark">): Promise<void> {
  const text = plan.stages.find((stage) => stage.kind === "text" && !readsEmbeds(stage))?.checkpoint;
  for (const stage of plan.stages) await checks[describeStage(stage.name).pipeline](stage, text);
  const watermark = watermarkCheckpoint(plan);
  if (watermark !== undefined) await findWatermark(watermark);
}

/** Training often saves a UNet alone. */
function checkText(folder: string): void {
  const missing = ["text_encoder", "tokenizer"].find((name) => !existsSync(join(folder, name)));
  if (missing === undefined) return;
  throw new CheckpointError(
    `${folder} has no ${missing}: name the checkpoint whose T5 it was trained with, a folder or organisation/name of the Hub, ` +
      "with --text-encoder-model.",
  );
}

/** T5's embeddings are as wide as the UNet takes them. */
async function checkEmbeds(checkpoint: string, text: string | undefined): Promise<void> {
  if (text === undefined) return;
  const { d_model: width } = await readT5EncoderConfig(join(text, "text_encoder"));
  const { encoder_hid_dim: taken } = await readIfUnetConfig(join(checkpoint, "unet"));
  if (width === taken) return;
  throw new CheckpointError(
    `the prompt's embedding by ${text} is ${width} wide but what ${checkpoint} takes is ${taken} wide; ` +
      "--text-encoder-model names the checkpoint whose T5 it was trained with.",
  );
}
