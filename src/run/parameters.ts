/**
 * @module run/parameters
 * The settings of a picture as the text its PNG carries, in the form AUTOMATIC1111 and stable-diffusion.cpp read.
 */

import { formatParameters } from "../image/parameters.ts";
import { type DiffusionStage, type Plan, diffusionStages, stepCount } from "../plan/plan.ts";

/** @param index which picture of the run, from 0. */
export function pictureParameters(plan: Plan, drawn: DiffusionStage, index: number): string {
  const [first, ...later] = diffusionStages(plan).filter(({ name }) => name <= drawn.name);
  const settings = new Map<string, string>([
    ["Steps", String(first ? stepCount(first) : 0)],
    ["Sampler", "DDPM"],
    ["CFG scale", String(first?.guidanceScale)],
    ["Seed", String(plan.seed)],
    ["Size", `${drawn.width}x${drawn.height}`],
    ["Model", plan.model],
  ]);
  if (first?.preset) settings.set("Timesteps", first.preset);
  if (first?.start) settings.set("Denoising strength", String(first.start.strength));
  for (const stage of later) addStage(settings, stage);
  if (plan.numImages > 1) {
    settings.set("Batch size", String(plan.numImages));
    settings.set("Batch pos", String(index));
  }
  settings.set("Version", `if-gen ${plan.version}`);
  return formatParameters({ prompt: plan.prompt, negativePrompt: plan.negativePrompt, settings });
}

function addStage(settings: Map<string, string>, stage: DiffusionStage): void {
  const label = stage.name.replace("stage-", "Stage ");
  settings.set(`${label} steps`, String(stepCount(stage)));
  if (stage.preset) settings.set(`${label} timesteps`, stage.preset);
  settings.set(`${label} CFG scale`, String(stage.guidanceScale));
  settings.set(`${label} noise level`, String(stage.noiseLevel));
  if (stage.start) settings.set(`${label} denoising strength`, String(stage.start.strength));
}
