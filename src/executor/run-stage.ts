/**
 * @module executor/run-stage
 * The child's work: one stage over its jobs -> each job's files, and its images where they are wanted. Only what the stage
 * needs is loaded: it is a process of its own, and each would load all.
 */

import { denormalize } from "../image/to-bytes.ts";
import { repeatInterleave, sliceBatch } from "../math/layout.ts";
import { type Generator, createGenerator, restoreGenerator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import type { NetworkSettings } from "../networks/open-network.ts";
import type { StepEvent } from "../pipelines/denoise.ts";
import { guidanceOf } from "../pipelines/guidance.ts";
import type { IfJob, IfStageOptions } from "../pipelines/if-stage.ts";
import type { UpscaleJob } from "../pipelines/upscale.ts";
import {
  type DiffusionStage,
  type SafetyStage,
  type TextStage,
  schedulerOptionsOf,
  textsPerJob,
} from "../plan/plan.ts";
import { type PipelineName, describeStage, diffusionTable } from "../plan/stages.ts";
import type { StageMessage, StageTask, TaskJob } from "./protocol.ts";
import { previewOf } from "./preview.ts";
import { readTensorFile, writeTensorFile } from "./stage-files.ts";
import { CPU } from "../onnx/lower/provider-names.ts";

/** How the stage tells its parent what it is doing. */
export type Report = (message: StageMessage) => void;

export interface StageContext {
  /** The jobs, once it is their turn. */
  readonly jobs: () => Promise<readonly TaskJob[]>;
  readonly report: Report;
}

type RunStage = (task: StageTask, context: StageContext) => Promise<void>;

const runs: Readonly<Record<PipelineName, RunStage>> = {
  "text-encoder": encodeTexts,
  if: drawFromText,
  "if-super-resolution": drawLarger,
  upscale,
  "safety-checker": async (task, context) => {
    const { runSafety } = await import("./run-safety.ts");
    await runSafety(stageOf(task, "safety"), settingsOf(task, context.report), context);
  },
};

/** Each job is reported as finished when its files are there. */
export const runStageTask: RunStage = (task, context) => runs[describeStage(task.stage.name).pipeline](task, context);

async function encodeTexts(task: StageTask, { jobs, report }: StageContext): Promise<void> {
  const stage = stageOf(task, "text");
  const { checkpoint, cleanCaption, textParts, stageNegativePrompts = [] } = stage;
  const what = "encoding the prompt";
  report({ type: "progress", job: task.jobs[0]?.index ?? 0, step: 0, steps: 1, what });
  const { withTextEncoder } = await import("../pipelines/text-encoding.ts");
  const texts = textsPerJob(stage, task.jobs);
  const options = { checkpoint, cleanCaption, texts, textParts, settings: settingsOf(task, report) };
  await withTextEncoder(options, async (encode) => {
    const encodedTexts = new Map<string, ReturnType<typeof encode>>();
    for (const { index: job, folder, prompt, positivePrompt, negativePrompt } of await jobs()) {
      const prompts = positivePrompt === undefined ? [prompt] : [prompt, positivePrompt];
      const negativePrompts = [negativePrompt, ...stageNegativePrompts];
      const key = JSON.stringify([prompts, negativePrompts]); // the same texts are encoded once
      const encoded = encodedTexts.get(key) ?? encode(prompts, negativePrompts);
      encodedTexts.set(key, encoded);
      const text = await encoded;
      noteTruncation("T5's", { prompt: text.prompts, "negative prompt": text.negativePrompts }, job, report);
      await writeTensorFile(folder, "prompt_embeds", text.promptEmbeds);
      await writeTensorFile(folder, "negative_prompt_embeds", text.negativePromptEmbeds);
      report({ type: "progress", job, step: 1, steps: 1, what });
      report({ type: "finished", job });
    }
  });
}

/** The texts of a batch may be the same: each is said once. */
function noteTruncation(
  whose: string,
  texts: Readonly<Record<string, readonly { readonly truncatedText: string }[]>>,
  job: number,
  report: Report,
): void {
  for (const [what, encoded] of Object.entries(texts)) {
    for (const left of new Set(encoded.map(({ truncatedText }) => truncatedText))) {
      if (left === "") continue;
      const text = `The ${what} is longer than ${whose} 77 tokens; this part was left out: "${left}"`;
      report({ type: "note", job, text });
    }
  }
}

async function drawFromText(task: StageTask, { jobs, report }: StageContext): Promise<void> {
  const stage = stageOf(task, "diffusion");
  const { withStage1 } = await import("../pipelines/stage-1.ts");
  await withStage1(drawOptions(task, stage, report), async (draw) => {
    for (const job of await jobs()) {
      const generator = generatorOf(job);
      await finish(stage, job, generator, await draw(await ifJob(task, stage, job, generator, report)), report);
    }
  });
}

async function drawLarger(task: StageTask, { jobs, report }: StageContext): Promise<void> {
  const stage = stageOf(task, "diffusion");
  const { withStage2 } = await import("../pipelines/stage-2.ts");
  const options = { ...drawOptions(task, stage, report), noiseLevel: stage.noiseLevel ?? 0 };
  await withStage2(options, async (draw) => {
    for (const job of await jobs()) {
      const generator = generatorOf(job);
      const image = await readTensorFile(job.folder, fileBefore(stage));
      const drawn = await draw({ ...(await ifJob(task, stage, job, generator, report)), image });
      await finish(stage, job, generator, drawn, report);
    }
  });
}

function drawOptions(task: StageTask, stage: DiffusionStage, report: Report): IfStageOptions {
  const { checkpoint, width, height, selection, textParts } = stage;
  const { numImages: images, eta } = task;
  const settings = settingsOf(task, report);
  const scheduler = schedulerOptionsOf(stage);
  return {
    checkpoint,
    images,
    width,
    height,
    selection,
    scheduler,
    textParts,
    ...guidanceOf(stage),
    eta,
    settings,
    warmUp: task.isAhead,
  };
}

/** Every image is a prompt of its own from here on: the stages pass batches of images. */
async function ifJob(
  task: StageTask,
  stage: DiffusionStage,
  job: TaskJob,
  generator: Generator,
  report: Report,
): Promise<IfJob> {
  const { readStart } = await import("./start-image.ts");
  const prompts = await readTensorFile(job.folder, "prompt_embeds");
  const negativePrompts = await readTensorFile(job.folder, "negative_prompt_embeds");
  const ofEachImage = (embeds: Tensor, row: number): Tensor =>
    repeatInterleave(sliceBatch(embeds, row, row + 1), task.numImages);
  return {
    promptEmbeds: ofEachImage(prompts, 0),
    negativePromptEmbeds: ofEachImage(negativePrompts, stage.negativeRow ?? 0),
    ...(stage.positiveMixer === undefined ? {} : { positivePromptEmbeds: ofEachImage(prompts, 1) }),
    imagesPerPrompt: 1,
    start: await readStart(stage, job.start),
    generator,
    onStep: stepReport(task, job, report),
  };
}

/** The images are in [0, 1], as the reference's pipeline returns them. */
async function upscale(task: StageTask, { jobs, report }: StageContext): Promise<void> {
  const stage = stageOf(task, "diffusion");
  const { runUpscale } = await import("../pipelines/upscale.ts");
  const options = { ...drawOptions(task, stage, report), noiseLevel: stage.noiseLevel ?? 0 };
  const texts = task.jobs.map(({ prompt, negativePrompt }) => ({
    prompts: repeat(prompt, task.numImages),
    negativePrompts: repeat(stage.negativePrompt ?? negativePrompt, task.numImages),
  }));
  const given = async (): Promise<readonly UpscaleJob[]> =>
    (await jobs()).map((job) => upscaleJob(task, stage, job, report));
  await runUpscale(options, texts, given, async (index, { images, tokens }, { generator }) => {
    const job = (await jobs())[index]!;
    const truncated = { prompt: tokens.prompts, "negative prompt": tokens.negativePrompts };
    noteTruncation("the upscaler's", truncated, job.index, report);
    await finish(stage, job, generator, denormalize(images), report);
  });
}

const upscaleJob = (task: StageTask, stage: DiffusionStage, job: TaskJob, report: Report): UpscaleJob => ({
  imagesPerPrompt: 1,
  image: () => readTensorFile(job.folder, fileBefore(stage)),
  generator: generatorOf(job),
  onStep: stepReport(task, job, report),
  onDecoded: (step, steps) => report({ type: "progress", job: job.index, step, steps, what: "decoding" }),
});

/** Writes a job's tensor, and its images where they are wanted. */
async function finish(
  stage: DiffusionStage,
  job: TaskJob,
  generator: Generator,
  images: Tensor,
  report: Report,
): Promise<void> {
  await writeTensorFile(job.folder, stage.name, images);
  if (job.images) {
    const { developImages, drawImages } = await import("./draw-images.ts");
    await drawImages(await developImages(images, stage, job), stage, job.images);
  }
  const generatorState = Buffer.from(generator.saveState()).toString("base64");
  report({ type: "finished", job: job.index, generatorState });
}

const generatorOf = ({ generatorState, seed }: TaskJob): Generator =>
  generatorState ? restoreGenerator(Buffer.from(generatorState, "base64")) : createGenerator(seed);

/** @returns the tensor file of the stage that draws before this one. */
function fileBefore({ name }: DiffusionStage): (typeof diffusionTable)[number]["name"] {
  const before = diffusionTable[diffusionTable.findIndex((row) => row.name === name) - 1];
  if (!before) throw new Error(`no stage draws before ${name}`);
  return before.name;
}

function stepReport(task: StageTask, { index: job }: TaskJob, report: Report): (event: StepEvent) => void {
  return ({ step, steps, predOriginalSample }) => {
    const isDue = task.previewEvery !== undefined && step % task.previewEvery === 0;
    const preview = isDue ? previewOf(predOriginalSample) : undefined;
    report({ type: "progress", job, step, steps, what: "denoising", ...(preview ? { preview } : {}) });
  };
}

const repeat = (text: string, count: number): string[] => Array.from({ length: count }, () => text);

interface StageKinds {
  readonly text: TextStage;
  readonly diffusion: DiffusionStage;
  readonly safety: SafetyStage;
}

function stageOf<Kind extends keyof StageKinds>({ stage }: StageTask, kind: Kind): StageKinds[Kind] {
  if (stage.kind !== kind) throw new Error(`${stage.name} is ${stage.kind}, not ${kind}`);
  return stage as unknown as StageKinds[Kind];
}

function settingsOf(task: StageTask, report: Report): NetworkSettings {
  const { executionProvider = CPU, deviceId, threads, variant, textEncoder, unet, lowMemory, stage } = task;
  return {
    executionProvider,
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(threads ? { threads } : {}),
    ...(variant ? { variant } : {}),
    ...(textEncoder ? { textEncoder } : {}),
    ...(unet ? { unet } : {}),
    ...lowMemory,
    onQuantize: () => {
      const isText = stage.kind === "text";
      const weights = isText ? "The text encoder's weights" : `The weights of ${stage.name}'s UNet`;
      const bits = (isText ? textEncoder : unet)?.bits ?? 8;
      const text = `${weights} are made ${bits}-bit once, for all later runs; this takes some minutes at full size.`;
      report({ type: "note", job: task.jobs[0]?.index ?? 0, text });
    },
  };
}
