/**
 * @module plan/provider
 * Where the stages run, and why there.
 */

import { providers } from "../onnx/lower/providers.ts";
import type { Plan, ProviderChoice, Stage } from "./plan.ts";
import type { TextEncoderDevice } from "../onnx/lower/provider-names.ts";
import { describeStage } from "./stages.ts";

/**
 * @param textDevice where T5 is asked to run. @default the CPU
 * @returns the stages that do not run on the CPU, each with its provider.
 */
export function gpuStagesOf(
  stages: readonly Stage[],
  { name }: Pick<ProviderChoice, "name">,
  textDevice?: TextEncoderDevice,
): Plan["gpuStages"] {
  const { isCpu, takesTextEncoder } = providers[name];
  if (isCpu) return {};
  const onGpu = (stage: Stage): boolean =>
    describeStage(stage.name).onGpu ||
    (stage.kind === "text" && !stage.readsEmbeds && textDevice === "gpu" && takesTextEncoder);
  return Object.fromEntries(stages.filter(onGpu).map((stage) => [stage.name, name]));
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
