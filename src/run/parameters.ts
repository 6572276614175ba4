/**
 * @module run/parameters
 * The settings of an image as the text its PNG carries, in the form AUTOMATIC1111 and stable-diffusion.cpp read.
 */

import { basename } from "node:path";
import { formatParameters } from "../image/parameters.ts";
import {
  type DiffusionStage,
  type ImageStage,
  type Plan,
  type SinglePassStage,
  type Stage,
  imageStages,
} from "../plan/plan.ts";
import { negativePromptsOf, promptsOf, valueOfImage } from "../plan/prompts.ts";
import { describeDiffusion, describeStage } from "../plan/stages.ts";

/**
 * @param job   its place in the plan.
 * @param drawn the stage whose image it is.
 * @param index which image of the job, from 0.
 */
export function imageParameters(plan: Plan, job: number, drawn: ImageStage, index: number): string {
  const drawing = imageStages(plan);
  const stages = drawing.slice(0, drawing.findIndex(({ name }) => name === drawn.name) + 1);
  const [first, ...later] = stages.filter((stage) => stage.kind === "diffusion");
  const enlarging = stages.find((stage) => stage.kind === "single-pass");
  const { seed, lowResolution, ...texts } = plan.jobs[job]!;
  const prompt = valueOfImage(promptsOf(texts), index, plan.numImages);
  const negativePrompt = valueOfImage(negativePromptsOf(texts), index, plan.numImages);
  const settings = new Map<string, string>([
    ...(first ? sampling(first, seed) : []),
    ["Size", `${drawn.width}x${drawn.height}`],
    ["Model", first ? plan.model : basename(drawn.checkpoint)],
  ]);
  if (lowResolution !== undefined) addUpscale(settings, stages);
  if (first) addFirst(settings, plan, job, first);
  for (const stage of later) addStage(settings, stage, first?.sampler ?? "");
  if (enlarging) addUpscaler(settings, enlarging, lowResolution === undefined);
  if (plan.numImages > 1) {
    settings.set("Batch size", String(plan.numImages));
    settings.set("Batch pos", String(index));
  }
  settings.set("Version", `if-gen ${plan.version}`);
  return formatParameters({ prompt, negativePrompt, settings });
}

const sampling = ({ steps, sampler, guidanceScale }: DiffusionStage, seed: number): [string, string][] => [
  ["Steps", String(steps)],
  ["Sampler", sampler],
  ["CFG scale", String(guidanceScale)],
  ["Seed", String(seed)],
];

function addFirst(settings: Map<string, string>, plan: Plan, job: number, first: DiffusionStage): void {
  const { positivePrompt, style, promptEmbeds, variation } = plan.jobs[job]!;
  if (variation) {
    settings.set("Variation seed", String(variation.seed));
    settings.set("Variation seed strength", String(variation.strength));
  }
  if (first.preset) settings.set("Timesteps", first.preset);
  if (first.strength !== undefined) settings.set("Denoising strength", String(first.strength));
  if (first.lessNoiseSteps !== undefined) settings.set("Less noise steps", String(first.lessNoiseSteps));
  if (style !== undefined) settings.set("Style", style);
  if (first.textParts !== undefined) settings.set("Long prompt", `concat, ${first.textParts} parts`);
  if (promptEmbeds !== undefined) settings.set("Prompt embeds", basename(promptEmbeds));
  if (positivePrompt !== undefined) settings.set("Positive prompt", positivePrompt);
  addLoras(
    settings,
    plan.stages.find(({ kind }) => kind === "text"),
    "T5 ",
  );
  addLoras(settings, first, "");
  addSteering(settings, first, "");
}

function addUpscale(settings: Map<string, string>, stages: readonly ImageStage[]): void {
  settings.set("Upscaled by", stages.map(({ name }) => describeStage(name).label).join(" and "));
  const [first] = stages;
  if (first?.kind === "diffusion" && first.noiseLevel !== undefined)
    settings.set("Noise level", String(first.noiseLevel));
  for (const stage of stages) addTiles(settings, stage);
}

function addTiles(settings: Map<string, string>, { name, tiles }: ImageStage): void {
  if (!tiles) return;
  settings.set(`Tiles of ${describeStage(name).label}`, `${tiles.width}x${tiles.height} overlap ${tiles.overlap}`);
}

/** Of an ESRGAN: its file, enough of its hash to tell it, and its tiles where nothing has said them. */
function addUpscaler(settings: Map<string, string>, stage: SinglePassStage, withTiles: boolean): void {
  settings.set("Upscaler", basename(stage.checkpoint));
  settings.set("Upscaler hash", stage.sha256.slice(0, 12));
  if (withTiles) addTiles(settings, stage);
}

function addStage(settings: Map<string, string>, stage: DiffusionStage, firstSampler: string): void {
  const { label } = describeDiffusion(stage.name);
  const name = label.charAt(0).toUpperCase() + label.slice(1);
  settings.set(`${name} steps`, String(stage.steps));
  if (stage.sampler !== firstSampler) settings.set(`${name} sampler`, stage.sampler);
  if (stage.preset) settings.set(`${name} timesteps`, stage.preset);
  settings.set(`${name} CFG scale`, String(stage.guidanceScale));
  settings.set(`${name} noise level`, String(stage.noiseLevel));
  if (stage.strength !== undefined) settings.set(`${name} denoising strength`, String(stage.strength));
  if (stage.lessNoiseSteps !== undefined) settings.set(`${name} less noise steps`, String(stage.lessNoiseSteps));
  addLoras(settings, stage, `${name} `);
  addSteering(settings, stage, `${name} `);
}

/** The files' names, weights, and enough of their hashes to tell them. @param prefix of the key: `Stage 2 `. */
function addLoras(settings: Map<string, string>, stage: Stage | undefined, prefix: string): void {
  if (!stage || !("lora" in stage) || !stage.lora) return;
  const words = stage.lora.loras.map(
    ({ file, weight, sha256 }) => `${basename(file)}:${weight} ${sha256.slice(0, 12)}`,
  );
  settings.set(`${prefix}LoRA`, words.join(", "));
}

/** What was asked for beside a guidance scale. @param prefix of the keys: `Stage 2 `, or empty for the first stage. */
function addSteering(settings: Map<string, string>, stage: DiffusionStage, prefix: string): void {
  const { negativePrompt, positiveMixer, guidanceRescale, guidanceInterval, schedulerKeys = {} } = stage;
  const values = {
    "negative prompt": negativePrompt,
    "positive mixer": positiveMixer,
    "guidance rescale": guidanceRescale,
    "guidance interval": guidanceInterval?.join("-"),
    "thresholding p": schedulerKeys.dynamicThresholdingRatio,
    "thresholding c": schedulerKeys.sampleMaxValue,
  };
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const name = prefix + key;
    settings.set(name.charAt(0).toUpperCase() + name.slice(1), String(value));
  }
}
