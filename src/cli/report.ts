/**
 * @module cli/report
 * A plan before it runs and a result after, for people and as JSON.
 */

import type { StageTimes } from "../executor/executor.ts";
import type { SafetyReport } from "../executor/protocol.ts";
import { type DiffusionStage, type Plan, type Stage, diffusionStages, stepCount } from "../plan/plan.ts";
import { describeProvider } from "../plan/provider.ts";
import { describeSize } from "./progress.ts";

export interface Result {
  readonly plan: Plan;
  readonly paths: readonly string[];
  readonly times: StageTimes;
  readonly seconds: number;
  /** One entry per picture, if they were looked at. */
  readonly safety?: SafetyReport;
  /** All that was noted on the way, the plan's notes first. */
  readonly notes: readonly string[];
}

/** @returns lines: what would be run, one stage each. */
export function describePlan(plan: Plan): string {
  const [first] = diffusionStages(plan);
  const lines = [
    `command  ${plan.command}`,
    `model    ${plan.model}`,
    `prompt   ${plan.prompt}`,
    ...(plan.negativePrompt === "" ? [] : [`without  ${plan.negativePrompt}`]),
    ...(first?.start ? [`image    ${first.start.image}`] : []),
    `seed     ${plan.seed}`,
    `pictures ${plan.numImages}`,
    ...(plan.provider ? [`provider ${describeProvider(plan.provider)}`] : []),
    ...plan.stages.map((stage) => `${stage.name.padEnd(13)}  ${describeStage(stage)}`),
    ...(plan.pasteBack ? ["the original's untouched pixels are put back"] : []),
    ...plan.notes.map((note) => `note: ${note}`),
  ];
  return `${lines.join("\n")}\n`;
}

function describeStage(stage: Stage): string {
  if (stage.name === "text-encoding") {
    return `T5, ${stage.cleanCaption ? "prompt cleaned" : "prompt lower-cased"}, ${stage.checkpoint}`;
  }
  if (stage.name === "safety") return `flagged pictures: ${stage.action}, ${stage.checkpoint}`;
  const preset = stage.preset ? ` (${stage.preset})` : "";
  const parts = [
    describeSize(stage),
    `${stepCount(stage)} steps${preset}`,
    `guidance ${stage.guidanceScale}`,
    ...(stage.noiseLevel === undefined ? [] : [`noise level ${stage.noiseLevel}`]),
    ...(stage.start ? [`strength ${stage.start.strength}`] : []),
    stage.checkpoint,
  ];
  return parts.join(", ");
}

/** @returns the line that says what was written. */
export function describeResult({ plan, paths, seconds }: Result): string {
  const { width, height } = lastStage(plan);
  const what = paths.map((path) => (path === "-" ? "standard output" : path)).join(", ");
  return `wrote ${what} (${width}x${height}, seed ${plan.seed}) in ${seconds.toFixed(1)} s\n`;
}

/** @returns what --json prints. */
export function resultJson({ plan, paths, times, seconds, safety, notes }: Result): unknown {
  const { width, height } = lastStage(plan);
  return {
    outputs: paths,
    seed: plan.seed,
    width,
    height,
    seconds: Number(seconds.toFixed(3)),
    ...(plan.provider ? { executionProvider: plan.provider } : {}),
    stages: [...times].map(([name, milliseconds]) => ({ name, seconds: Number((milliseconds / 1000).toFixed(3)) })),
    ...(safety ? { safety } : {}),
    notes,
    plan,
  };
}

function lastStage(plan: Plan): DiffusionStage {
  const last = diffusionStages(plan).at(-1);
  if (!last) throw new Error("a plan draws something");
  return last;
}
