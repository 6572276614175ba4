/**
 * @module executor/run-stage
 * The child's work: one job -> the stage's files, and its pictures where they are wanted. Only what the job needs is
 * loaded: a stage is a process of its own, and each would load all.
 */

import { denormalize } from "../image/to-bytes.ts";
import type { Generator } from "../math/random.ts";
import { createGenerator, restoreGenerator } from "../math/random.ts";
import { repeatInterleave } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import type { NetworkSettings } from "../networks/components.ts";
import type { StepEvent } from "../pipelines/denoise.ts";
import type { UpscaleOptions } from "../pipelines/upscale.ts";
import type { DiffusionStage, TextStage } from "../plan/plan.ts";
import type { StageJob, StageMessage } from "./protocol.ts";
import { readTensorFile, writeTensorFile } from "./stage-files.ts";

/** How the stage tells its parent what it is doing. */
export type Report = (message: StageMessage) => void;

/** @returns the generator's state after the stage's draws, base64; undefined if it drew nothing. */
export async function runStageJob(job: StageJob, report: Report): Promise<string | undefined> {
  const { stage } = job;
  if (stage.name === "text-encoding") {
    await runTextEncoding(job, stage, report);
    return undefined;
  }
  if (stage.name === "safety") {
    const { runSafety } = await import("./run-safety.ts");
    await runSafety(job, stage, settingsOf(job), report);
    return undefined;
  }
  const generator = job.generatorState
    ? restoreGenerator(Buffer.from(job.generatorState, "base64"))
    : createGenerator(job.seed);
  const images = await runDiffusion(job, stage, generator, report);
  await writeTensorFile(job.folder, stage.name, images);
  if (job.pictures) {
    const { developPictures, drawPictures } = await import("./draw-pictures.ts");
    await drawPictures(await developPictures(images, stage, job.pictures), stage, job.pictures);
  }
  return Buffer.from(generator.saveState()).toString("base64");
}

async function runTextEncoding(job: StageJob, stage: TextStage, report: Report): Promise<void> {
  report({ type: "progress", step: 0, steps: 1, what: "encoding the prompt" });
  const { encodeText } = await import("../pipelines/text-encoding.ts");
  const text = await encodeText({
    checkpoint: stage.checkpoint,
    prompts: [job.prompt],
    negativePrompts: [job.negativePrompt],
    cleanCaption: stage.cleanCaption,
    settings: { ...settingsOf(job), onQuantize: () => report({ type: "note", text: quantizing(job) }) },
  });
  noteTruncation("T5's", text, report);
  await writeTensorFile(job.folder, "prompt_embeds", text.promptEmbeds);
  await writeTensorFile(job.folder, "negative_prompt_embeds", text.negativePromptEmbeds);
  report({ type: "progress", step: 1, steps: 1, what: "encoding the prompt" });
}

const quantizing = ({ stage, textEncoder, unet }: StageJob): string => {
  const isText = stage.name === "text-encoding";
  const weights = isText ? "The text encoder's weights" : `The weights of ${stage.name}'s UNet`;
  const bits = (isText ? textEncoder : unet)?.bits ?? 8;
  return `${weights} are made ${bits}-bit once, for all later runs; this takes some minutes at full size.`;
};

interface Texts {
  readonly prompts: readonly { readonly truncatedText: string }[];
  readonly negativePrompts: readonly { readonly truncatedText: string }[];
}

/** The texts of a batch are all the same: it is said once. */
function noteTruncation(whose: string, { prompts, negativePrompts }: Texts, report: Report): void {
  for (const [what, cut] of [
    ["prompt", prompts[0]?.truncatedText],
    ["negative prompt", negativePrompts[0]?.truncatedText],
  ] as const) {
    if (!cut) continue;
    report({ type: "note", text: `The ${what} is longer than ${whose} 77 tokens; this part was left out: "${cut}"` });
  }
}

async function runDiffusion(
  job: StageJob,
  stage: DiffusionStage,
  generator: Generator,
  report: Report,
): Promise<Tensor> {
  const common = {
    checkpoint: stage.checkpoint,
    selection: stage.selection,
    guidanceScale: stage.guidanceScale,
    eta: job.eta,
    generator,
    settings: { ...settingsOf(job), onQuantize: () => report({ type: "note", text: quantizing(job) }) },
    onStep: ({ step, steps }: StepEvent) => report({ type: "progress", step, steps, what: "denoising" }),
  };
  if (stage.name === "stage-3") return upscale(job, { ...common, noiseLevel: stage.noiseLevel ?? 0 }, report);
  const embeds = {
    // every picture is a prompt of its own from here on: the stages pass batches of pictures
    promptEmbeds: repeatInterleave(await readTensorFile(job.folder, "prompt_embeds"), job.numImages),
    negativePromptEmbeds: repeatInterleave(await readTensorFile(job.folder, "negative_prompt_embeds"), job.numImages),
    imagesPerPrompt: 1,
    start: await (await import("./start-picture.ts")).readStart(stage),
  };
  if (stage.name === "stage-1") return (await import("../pipelines/stage-1.ts")).runStage1({ ...common, ...embeds });
  const { runStage2 } = await import("../pipelines/stage-2.ts");
  const image = await readTensorFile(job.folder, "stage-1");
  return runStage2({ ...common, ...embeds, image, noiseLevel: stage.noiseLevel ?? 0 });
}

type UpscaleSettings = Omit<UpscaleOptions, "prompts" | "negativePrompts" | "imagesPerPrompt" | "image">;

/** @returns (B, 3, H, W) in [0, 1], as the reference's pipeline returns them. */
async function upscale(job: StageJob, settings: UpscaleSettings, report: Report): Promise<Tensor> {
  const { runUpscale } = await import("../pipelines/upscale.ts");
  const { images, tokens } = await runUpscale({
    ...settings,
    prompts: fill(job, job.prompt),
    negativePrompts: fill(job, job.negativePrompt),
    imagesPerPrompt: 1,
    image: await readTensorFile(job.folder, "stage-2"),
    onDecoded: (step, steps) => report({ type: "progress", step, steps, what: "decoding" }),
  });
  noteTruncation("the upscaler's", tokens, report);
  return denormalize(images);
}

const fill = (job: StageJob, text: string): string[] => Array.from({ length: job.numImages }, () => text);

function settingsOf(job: StageJob): NetworkSettings {
  return {
    executionProvider: job.executionProvider ?? "cpu",
    ...(job.deviceId === undefined ? {} : { deviceId: job.deviceId }),
    ...(job.threads ? { threads: job.threads } : {}),
    ...(job.variant ? { variant: job.variant } : {}),
    ...(job.textEncoder ? { textEncoder: job.textEncoder } : {}),
    ...(job.unet ? { unet: job.unet } : {}),
    ...job.thrift,
  };
}
