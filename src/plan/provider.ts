/**
 * @module plan/provider
 * Where the stages run, and why there.
 */

import { providers } from "../onnx/lower/providers.ts";
import type { Plan, ProviderChoice, Stage } from "./plan.ts";
import { describeStage } from "./stages.ts";

/** @returns the stages that do not run on the CPU, each with its provider. */
export function gpuStagesOf(stages: readonly Stage[], { name }: Pick<ProviderChoice, "name">): Plan["gpuStages"] {
  if (providers[name].isCpu) return {};
  return Object.fromEntries(
    stages.filter((stage) => describeStage(stage.name).onGpu).map((stage) => [stage.name, name]),
  );
}

/** @returns what was chosen and why, as `cuda (named)` or `cpu (auto; no NVIDIA GPU is here)`. */
export function describeProvider({ requested, name, passedOver }: ProviderChoice): string {
  if (requested !== "auto") return `${name} (named)`;
  const problems = new Set(passedOver.map(({ problem }) => problem));
  const [only] = problems;
  if (only === undefined) return `${name} (auto; it works here)`;
  const reasons = problems.size < passedOver.length ? [only] : passedOver.map((one) => `${one.name}: ${one.problem}`);
  return `${name} (auto; ${reasons.join("; ")})`;
}
