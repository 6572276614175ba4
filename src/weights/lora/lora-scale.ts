/**
 * @module weights/lora/lora-scale
 * By what a LoRA's product is multiplied, up · down · alpha / rank: the alpha of a file that has one for all layers, and
 * others by pattern. diffusers keeps these settings in the file's metadata, PEFT beside it.
 *
 * Source: PEFT, LoraConfig; diffusers, loaders/lora_base.py (`lora_adapter_metadata`).
 */

import { z } from "zod";
import { CheckpointError } from "../../errors.ts";
import { configLimits, parseJson } from "../../files/json.ts";
import { printable, quote } from "../../text.ts";

const settingsSchema = z.looseObject({
  lora_alpha: z.number(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.literal(false).nullish(),
});

/** @returns what the product of a layer is multiplied by. */
export type ScaleOf = (module: string, rank: number) => number;

/** Without settings alpha is the rank. */
export const unscaled: ScaleOf = () => 1;

/**
 * @param settings a LoraConfig as JSON.
 * @param file     names it in errors.
 * @throws {CheckpointError} they are not understood.
 */
export function scaleFromSettings(settings: unknown, file: string): ScaleOf {
  const parsed = settingsSchema.safeParse(settings);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!; // a failed parse has at least one
    throw new CheckpointError(
      `${file}: the LoRA's setting ${quote(issue.path.join("."))} cannot be used: ${printable(issue.message, 120)}.`,
    );
  }
  const { lora_alpha: alpha, alpha_pattern: patterns, use_rslora: isRankStabilized } = parsed.data;
  const alphaPatterns = Object.entries(patterns ?? {});
  for (const [pattern] of alphaPatterns) checkPattern(pattern, file);
  return (module, rank) => {
    const [, ofLayer = alpha] = alphaPatterns.find(([name]) => module === name || module.endsWith(`.${name}`)) ?? [];
    return ofLayer / (isRankStabilized ? Math.sqrt(rank) : rank);
  };
}

/** PEFT takes a layer's name or a regular expression. One of a stranger's is not run here. */
function checkPattern(pattern: string, file: string): void {
  if (/^[\w.-]+$/.test(pattern)) return;
  throw new CheckpointError(
    `${file}: ${quote(pattern)} in alpha_pattern is no layer's name, the only kind if-gen reads.`,
  );
}

/** @returns the scales of a network from the metadata that diffusers writes; undefined: it says nothing of it. */
export function scaleFromMetadata(
  metadata: ReadonlyMap<string, string>,
  network: string,
  file: string,
): ScaleOf | undefined {
  const text = metadata.get("lora_adapter_metadata");
  if (text === undefined) return undefined;
  const json = parseJson(Buffer.from(text), configLimits, `${file}: lora_adapter_metadata`, CheckpointError);
  const all = Object.entries(typeof json === "object" && json !== null ? json : {});
  const networkSettings = all
    .filter(([key]) => key.startsWith(`${network}.`))
    .map(([key, value]) => [key.slice(network.length + 1), value]);
  return networkSettings.length === 0 ? undefined : scaleFromSettings(Object.fromEntries(networkSettings), file);
}
