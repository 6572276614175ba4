/**
 * @module executor/run-stage
 * The child's work: one stage over its jobs -> each job's files, and its images where they are wanted. Only what the stage
 * needs is loaded: it is a process of its own, and each would load all.
 */

import { countParallelThreads } from "../machine/hardware.ts";
import { denormalize } from "../image/to-bytes.ts";
import { concatBatch, repeatInterleave, sliceBatch } from "../math/layout.ts";
import { type Generator, createGenerator, restoreGenerator } from "../math/random.ts";
import { variedGenerator } from "../math/variation.ts";
import type { Tensor } from "../math/tensor.ts";
import type { KeptNetworks } from "../networks/kept-networks.ts";
import type { NetworkSettings } from "../networks/open-network.ts";
import { guidanceOf } from "../pipelines/guidance.ts";
import type { IfJob, IfStageOptions } from "../pipelines/if-stage.ts";
import { filledUp, groupJobs, groupSize, joinIfJobs, splitBatch } from "../pipelines/join-jobs.ts";
import { drawGroups } from "../pipelines/groups-at-once.ts";
import type { StepThreadOptions } from "../pipelines/step-threads.ts";
import type { UpscaleJob } from "../pipelines/upscale.ts";
import {
  type DiffusionStage,
  type SafetyStage,
  type SinglePassStage,
  type TextStage,
  schedulerOptionsOf,
} from "../plan/plan.ts";
import { negativePromptsOf, promptTexts, promptsOf, valueOfImage } from "../plan/prompts.ts";
import { type PipelineName, describeStage } from "../plan/stages.ts";
import { finishJob } from "./finish-job.ts";
import { noteTruncation } from "./note-truncation.ts";
import type { StageMessage, StageTask, TaskJob } from "./protocol.ts";
import { keepingLatents } from "./keep-latents.ts";
import { readTensorFile } from "./stage-files.ts";
import { stepReport } from "./step-report.ts";
import { CPU } from "../onnx/lower/provider-names.ts";
import { providers, schedulingThreadsFor } from "../onnx/lower/providers.ts";

/** How the stage tells its parent what it is doing. */
export type Report = (message: StageMessage) => void;

export interface StageContext {
  /** The jobs, once it is their turn. */
  readonly jobs: () => Promise<readonly TaskJob[]>;
  readonly report: Report;
  /** To be called when the weights of the network that draws are there. Absent: nobody waits for that. */
  readonly onLoaded?: () => Promise<void>;
  /** Where networks stay open for the next task; absent: they do not. */
  readonly kept?: KeptNetworks;
}

type RunStage = (task: StageTask, context: StageContext) => Promise<void>;

const runs: Readonly<Record<PipelineName, RunStage>> = {
  "text-encoder": async (task, context) => {
    const stage = stageOf(task, "text");
    if (stage.readsEmbeds) return (await import("./read-embeds.ts")).readEmbeds(context);
    const { encodeTexts } = await import("./encode-texts.ts");
    await encodeTexts(task, stage, settingsOf(task, context), context);
  },
  if: drawFromText,
  "if-super-resolution": drawLarger,
  upscale,
  esrgan: async (task, context) => {
    const { enlarge } = await import("./enlarge.ts");
    await enlarge(task, stageOf(task, "single-pass"), settingsOf(task, context), context);
  },
  "safety-checker": async (task, context) => {
    const { runSafety } = await import("./run-safety.ts");
    await runSafety(stageOf(task, "safety"), settingsOf(task, context), context);
  },
};

/** Each job is reported as finished when its files are there. */
export const runStageTask: RunStage = (task, context) => runs[describeStage(task.stage.name).pipeline](task, context);

async function drawFromText(task: StageTask, context: StageContext): Promise<void> {
  const { jobs, report } = context;
  const stage = stageOf(task, "diffusion");
  const { withStage1 } = await import("../pipelines/stage-1.ts");
  await withStage1(drawOptions(task, stage, context), async (draw) => {
    await drawGroups(groupsOf(task, await jobs()), groupsAtOnceOf(task), async (group) => {
      const drawing = await Promise.all(group.map((job) => ifJob(task, stage, job, group, report)));
      await finishAll(stage, group, drawing, await draw(joinIfJobs(asGroup(drawing))), report);
    });
  });
}

async function drawLarger(task: StageTask, context: StageContext): Promise<void> {
  const { jobs, report } = context;
  const stage = stageOf(task, "diffusion");
  const { withStage2 } = await import("../pipelines/stage-2.ts");
  const { readLowResolution } = await import("./low-resolution.ts");
  const options = { ...drawOptions(task, stage, context), noiseLevel: stage.noiseLevel ?? 0 };
  await withStage2(options, async (draw) => {
    await drawGroups(groupsOf(task, await jobs()), groupsAtOnceOf(task), async (group) => {
      const drawing = await Promise.all(group.map((job) => ifJob(task, stage, job, group, report)));
      const images = await Promise.all(group.map((job) => readLowResolution(stage, job, task.numImages)));
      const drawn = await draw({ ...joinIfJobs(asGroup(drawing)), image: concatBatch(images) });
      await finishAll(stage, group, drawing, drawn, report);
    });
  });
}

/** A place in a group that is there to fill it up: its job is another place's too, and nothing of it is kept or told. */
type Place = TaskJob & { readonly isCopy?: true };

/** The jobs that are drawn at once. */
function groupsOf(task: StageTask, jobs: readonly TaskJob[]): readonly (readonly Place[])[] {
  const size = groupSizeOf(task);
  return groupJobs<Place>(jobs, size).map((group) => filledUp(group, size, (job) => ({ ...job, isCopy: true })));
}

const groupSizeOf = ({ jobs, jobsAtOnce }: StageTask): number => groupSize(jobs.length, jobsAtOnce);

const groupsAtOnceOf = ({ executionProvider = CPU }: StageTask): number => providers[executionProvider].groupsAtOnce;

/** The device waits for one job's steps wherever they are taken: only their noise is drawn in another thread. */
function threadsOf(task: StageTask): StepThreadOptions {
  const { executionProvider = CPU, threads = countParallelThreads(), jobs } = task;
  const size = groupSizeOf(task);
  const atWork = Math.min(groupsAtOnceOf(task), Math.ceil(jobs.length / size)) * size;
  const count = Math.max(0, Math.min(schedulingThreadsFor(executionProvider, atWork), threads - 1));
  return atWork > 1 ? { schedulingThreads: count } : { drawsNoiseAhead: count > 0 };
}

const asGroup = <T>(jobs: readonly T[]): readonly [T, ...T[]] => jobs as readonly [T, ...T[]];

/** @param drawn the group's images, in equal shares. */
async function finishAll(
  stage: DiffusionStage,
  group: readonly Place[],
  drawing: readonly { readonly generator: Generator }[],
  drawn: Tensor,
  report: Report,
): Promise<void> {
  const shares = splitBatch(drawn, group.length);
  for (const [index, job] of group.entries()) {
    if (job.isCopy) continue;
    await finishJob(stage, job, drawing[index]!.generator.saveState(), shares[index]!, report);
  }
}

function drawOptions(task: StageTask, stage: DiffusionStage, context: StageContext): IfStageOptions {
  const { checkpoint, width, height, tiles, selection, textParts, styled, lora } = stage;
  const { numImages, eta } = task;
  const images = numImages * groupSizeOf(task);
  const settings = settingsOf(task, context);
  const scheduler = schedulerOptionsOf(stage);
  return {
    checkpoint,
    images,
    width,
    height,
    ...(tiles ? { tiles } : {}),
    selection,
    scheduler,
    textParts,
    styled,
    lora,
    ...guidanceOf(stage),
    eta,
    settings,
    ...threadsOf(task),
    warmUp: task.warmsUp ?? false,
    onLoaded: context.onLoaded,
  };
}

/** Every image is a prompt of its own from here on: the stages pass batches of images. */
async function ifJob(
  task: StageTask,
  stage: DiffusionStage,
  job: Place,
  group: readonly Place[],
  report: Report,
): Promise<IfJob & { readonly generator: Generator }> {
  const { readStart } = await import("./start-image.ts");
  const prompts = await readTensorFile(job.folder, "prompt_embeds");
  const negativePrompts = await readTensorFile(job.folder, "negative_prompt_embeds");
  /** Rows in equal shares of the images. */
  const ofImages = (embeds: Tensor, row: number, rows = 1): Tensor =>
    repeatInterleave(sliceBatch(embeds, row, row + rows), task.numImages / rows);
  const [count, negatives] = [promptsOf(job).length, negativePromptsOf(job).length];
  return {
    promptEmbeds: ofImages(prompts, 0, count),
    negativePromptEmbeds:
      stage.negativeRow === undefined
        ? ofImages(negativePrompts, 0, negatives)
        : ofImages(negativePrompts, stage.negativeRow),
    ...(stage.positiveMixer === undefined ? {} : { positivePromptEmbeds: ofImages(prompts, count) }),
    ...(stage.styled ? { styleEmbeds: ofImages(prompts, promptTexts(job).length - 1) } : {}),
    imagesPerPrompt: 1,
    start: await readStart(stage, job.start),
    generator: generatorOf(job),
    ...(job.isCopy ? {} : keepingLatents(stage, job, stepReport(task, stage, job.index, placesOf(group), report))),
  };
}

/** The images are in [0, 1], as the reference's pipeline returns them. */
async function upscale(task: StageTask, context: StageContext): Promise<void> {
  const { jobs, report } = context;
  const stage = stageOf(task, "diffusion");
  const { runUpscale } = await import("../pipelines/upscale.ts");
  const { readLowResolution } = await import("./low-resolution.ts");
  const size = groupSizeOf(task);
  const options = {
    ...drawOptions(task, stage, context),
    images: task.numImages,
    noiseLevel: stage.noiseLevel ?? 0,
    groupSize: size,
    groupsAtOnce: groupsAtOnceOf(task),
  };
  const ofImages = (texts: readonly string[]): string[] =>
    Array.from({ length: task.numImages }, (_, image) => valueOfImage(texts, image, task.numImages));
  const texts = task.jobs.map((job) => ({
    prompts: ofImages(promptsOf(job)),
    negativePrompts: ofImages(stage.negativePrompt === undefined ? negativePromptsOf(job) : [stage.negativePrompt]),
  }));
  const given = async () =>
    groupJobs(await jobs(), size).map((group) =>
      asGroup(
        group.map((job) => ({
          ...upscaleJob(task, stage, job, group, report),
          image: () => readLowResolution(stage, job, task.numImages),
        })),
      ),
    );
  await runUpscale(options, texts, given, async (index, { images, tokens }, { generator }) => {
    const job = (await jobs())[index]!;
    const truncated = { prompt: tokens.prompts, "negative prompt": tokens.negativePrompts };
    noteTruncation("the upscaler's", truncated, job.index, report);
    await finishJob(stage, job, generator.saveState(), denormalize(images), report);
  });
}

const upscaleJob = (
  task: StageTask,
  stage: DiffusionStage,
  job: TaskJob,
  group: readonly TaskJob[],
  report: Report,
): Omit<UpscaleJob, "image"> => ({
  imagesPerPrompt: 1,
  generator: generatorOf(job),
  ...keepingLatents(stage, job, stepReport(task, stage, job.index, placesOf(group), report)),
  onDecoded: (step, steps) => report({ type: "progress", job: job.index, step, steps, what: "decoding" }),
});

/** A variation is of the first stage, which is the one that draws before there is a state: its noise decides what there is to see. */
function generatorOf({ generatorState, seed, variation }: TaskJob): Generator {
  if (generatorState) return restoreGenerator(Buffer.from(generatorState, "base64"));
  const generator = createGenerator(seed);
  return variation ? variedGenerator(generator, createGenerator(variation.seed), variation.strength) : generator;
}

/** @returns the places of the jobs that are drawn at once, each once. */
const placesOf = (group: readonly Place[]): number[] => group.filter(({ isCopy }) => !isCopy).map(({ index }) => index);

interface StageKinds {
  readonly text: TextStage;
  readonly diffusion: DiffusionStage;
  readonly "single-pass": SinglePassStage;
  readonly safety: SafetyStage;
}

function stageOf<Kind extends keyof StageKinds>({ stage }: StageTask, kind: Kind): StageKinds[Kind] {
  if (stage.kind !== kind) throw new Error(`${stage.name} is ${stage.kind}, not ${kind}`);
  return stage as unknown as StageKinds[Kind];
}

function settingsOf(task: StageTask, { report, kept }: StageContext): NetworkSettings {
  const { executionProvider = CPU, deviceId, threads, variant, textEncoder, unet, lowMemory, stage } = task;
  return {
    executionProvider,
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(threads ? { threads } : {}),
    ...(variant ? { variant } : {}),
    ...(textEncoder ? { textEncoder } : {}),
    ...(unet ? { unet } : {}),
    ...lowMemory,
    ...(kept ? { kept } : {}),
    onQuantize: () => {
      const isText = stage.kind === "text";
      const weights = isText ? "The text encoder's weights" : `The weights of ${stage.name}'s UNet`;
      const bits = (isText ? textEncoder : unet)?.bits ?? 8;
      const text = `${weights} are made ${bits}-bit once, for all later runs; this takes some minutes at full size.`;
      report({ type: "note", job: task.jobs[0]?.index ?? 0, text });
    },
    onMerge: () => {
      const text = `LoRAs are merged into the weights of ${stage.name} once, for all later runs with them.`;
      report({ type: "note", job: task.jobs[0]?.index ?? 0, text });
    },
  };
}
