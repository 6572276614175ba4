/**
 * @module plan/provider
 * Where the stages run, and why there.
 */

import type { Plan, ProviderChoice, Stage } from "./plan.ts";

/**
 * Stages that do not run on the processor. T5 stays there: its weights are the largest of all and are used once. So does
 * the safety checker: what it flags shall not depend on the card.
 */
export function gpuStagesOf(stages: readonly Stage[], { name }: ProviderChoice): Plan["gpuStages"] {
  if (name === "cpu") return undefined;
  const onCard = stages.map((stage) => stage.name).filter((stage) => stage !== "text-encoding" && stage !== "safety");
  return Object.fromEntries(onCard.map((stage) => [stage, name]));
}

/** @returns what was chosen and why, as `cuda (named)` or `cpu (auto; no NVIDIA GPU is here)`. */
export function describeProvider({ asked, name, passedOver }: ProviderChoice): string {
  if (asked !== "auto") return `${name} (named)`;
  const problems = new Set(passedOver.map(({ problem }) => problem));
  const [only] = problems;
  if (only === undefined) return `${name} (auto; it works here)`;
  const reasons = problems.size < passedOver.length ? [only] : passedOver.map((one) => `${one.name}: ${one.problem}`);
  return `${name} (auto; ${reasons.join("; ")})`;
}
