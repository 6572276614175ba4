/**
 * @module cli/report
 * A plan before it runs, for people and as JSON, and the line about a result.
 */

import type { Limits, StageNeed } from "../memory/budget.ts";
import { budgetTable } from "../memory/budget-table.ts";
import { countTiles, tileGrid } from "../math/blended-tiles.ts";
import {
  type DiffusionStage,
  type ImageStage,
  type Job,
  type Plan,
  type Stage,
  type StageTiles,
  type TextStage,
  lastImageStage,
} from "../plan/plan.ts";
import { negativePromptsOf, promptsOf } from "../plan/prompts.ts";
import { describeProvider } from "../plan/provider.ts";
import type { DrawnJob } from "../run/draw.ts";
import { describeSize } from "./progress.ts";

/** @returns lines: what would be run, one stage each, and the memory it would take. */
export function describePlan(plan: Plan, needs: readonly StageNeed[], limits: Limits): string {
  const [job = { prompt: "", negativePrompt: "" }] = plan.jobs;
  const { positivePrompt, style, start, lowResolution }: Partial<Job> = job;
  const negativePrompts = negativePromptsOf(job);
  const lines = [
    `command  ${plan.command}`,
    `model    ${plan.model}`,
    ...promptsOf(job).map((prompt) => `prompt   ${prompt}`),
    ...(negativePrompts.join("") === "" ? [] : negativePrompts.map((text) => `without  ${text}`)),
    ...(style === undefined ? [] : [`style    ${style}`]),
    ...(positivePrompt === undefined ? [] : [`mixed in ${positivePrompt}`]),
    ...(lowResolution === undefined ? [] : [`image    ${lowResolution}`]),
    ...(start ? [`${lowResolution === undefined ? "image   " : "original"} ${start.image}`] : []),
    `seed     ${plan.jobs.map((job) => job.seed).join(", ")}`,
    `images   ${plan.numImages}`,
    `provider ${describeProvider(plan.provider)}`,
    ...plan.stages.map((stage) => `${stage.name.padEnd(13)}  ${describeStage(stage)}${aheadWords(plan, stage)}`),
    ...(start?.pasteBack ? ["the original's untouched pixels are put back"] : []),
    ...plan.notes.map((note) => `note: ${note}`),
    "",
    budgetTable(needs, limits),
  ];
  return `${lines.join("\n")}\n`;
}

const aheadWords = ({ ahead }: Plan, { name }: Stage): string =>
  ahead.includes(name) ? ", loaded while the stage before runs" : "";

function describeStage(stage: Stage): string {
  if (stage.kind === "text" && stage.readsEmbeds) return "embeddings as given, no T5";
  if (stage.kind === "text") {
    const parts = [
      "T5",
      stage.cleanCaption ? "prompt cleaned" : "prompt lower-cased",
      ...(stage.textParts ? [`in ${stage.textParts} parts`] : []),
      stage.checkpoint,
      ...loraWords(stage),
    ];
    return parts.join(", ");
  }
  if (stage.kind === "safety") return `flagged images: ${stage.action}, ${stage.checkpoint}`;
  if (stage.kind === "single-pass") {
    const parts = [describeSize(stage), ...(stage.tiles ? [describeTiles(stage, stage.tiles)] : []), stage.checkpoint];
    return parts.join(", ");
  }
  const preset = stage.preset ? ` (${stage.preset})` : "";
  const parts = [
    describeSize(stage),
    ...(stage.tiles ? [describeTiles(stage, stage.tiles)] : []),
    `${stage.steps} steps${preset}`,
    stage.sampler,
    `guidance ${stage.guidanceScale}${describeGuidance(stage)}`,
    ...(stage.noiseLevel === undefined ? [] : [`noise level ${stage.noiseLevel}`]),
    ...(stage.strength === undefined ? [] : [`strength ${stage.strength}`]),
    ...(stage.lessNoiseSteps === undefined ? [] : [`less noise by ${stage.lessNoiseSteps} timesteps`]),
    stage.checkpoint,
    ...loraWords(stage),
  ];
  return parts.join(", ");
}

const loraWords = ({ lora }: TextStage | DiffusionStage): string[] =>
  (lora?.loras ?? []).map(({ file, weight }) => `LoRA ${file} at ${weight}`);

const describeTiles = (image: ImageStage, tiles: StageTiles): string =>
  `in ${countTiles(tileGrid(image, tiles))} tiles of ${tiles.width}x${tiles.height} (overlap ${tiles.overlap})`;

function describeGuidance({
  positiveMixer,
  guidanceRescale,
  guidanceInterval,
  negativePrompt,
}: DiffusionStage): string {
  const words = [
    ...(positiveMixer === undefined ? [] : [`the positive prompt mixed in at ${positiveMixer}`]),
    ...(guidanceRescale === undefined ? [] : [`rescaled by ${guidanceRescale}`]),
    ...(guidanceInterval ? [`in ${guidanceInterval.join(" to ")} of the steps`] : []),
    ...(negativePrompt === undefined ? [] : [`without ${JSON.stringify(negativePrompt)}`]),
  ];
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}

/** @returns what `--dry-run --json` prints. */
export function planJson(plan: Plan, needs: readonly StageNeed[], limits: Limits): object {
  return { ...plan, memory: { limits, needs } };
}

/** @returns the line that says what was written. */
export function describeResult({ request, plan, images }: DrawnJob, seconds: number): string {
  const { width, height } = lastImageStage(plan);
  const what = images.map(({ path }) => path ?? "standard output").join(", ");
  return `wrote ${what} (${width}x${height}, seed ${request.seed}) in ${seconds.toFixed(1)} s\n`;
}
