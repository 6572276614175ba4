/**
 * @module run/lora-options
 * `lora` and `stage1Lora`, ...: a LoRA's file or folder and its weight, `pixel-art.safetensors:0.8`, or a list of them.
 */

import { z } from "zod";
import type { LoraRequest } from "../plan/request.ts";
import { type DiffusionName, diffusionTable } from "../plan/stages.ts";

type Flat<Name extends string> = Name extends `${infer Before}-${infer After}` ? `${Before}${After}` : Name;

/** `FILE[:weight]`; the weight is 1 if none is given. */
export type LoraOption = string | readonly string[];

export interface LoraOptions extends Readonly<Partial<Record<`${Flat<DiffusionName>}Lora`, LoraOption>>> {
  /** For each network that it fits. */
  readonly lora?: LoraOption;
}

const text = z
  .string()
  .regex(/^.*[^:].*$/, "a file or a folder, and its weight if that is not 1: pixel-art.safetensors:0.8");
const option = z.union([text, z.array(text).min(1)]).optional();

const keyOf = (name: DiffusionName): string => `${name.replace("-", "")}Lora`;

export const loraShape: Readonly<Record<string, z.ZodType>> = {
  lora: option,
  ...Object.fromEntries(diffusionTable.map(({ name }) => [keyOf(name), option])),
};

/** @returns all of them, in the order of the stages; undefined: there are none. */
export function lorasOf(options: Readonly<Record<string, unknown>>): LoraRequest[] | undefined {
  const given = (key: string): readonly string[] => [(options[key] as LoraOption | undefined) ?? []].flat();
  const loras = [
    ...given("lora").map(parseLora),
    ...diffusionTable.flatMap(({ name }) => given(keyOf(name)).map((one) => ({ ...parseLora(one), stage: name }))),
  ];
  return loras.length === 0 ? undefined : loras;
}

/** @returns the options that make them: {@link lorasOf} backwards. */
export function optionsOfLoras(loras: readonly LoraRequest[] = []): Readonly<Record<string, readonly string[]>> {
  const options: Record<string, string[]> = {};
  for (const { file, weight, stage } of loras) {
    const plain = /e/.test(String(weight)) ? weight.toFixed(20) : String(weight); // no exponent has a place there
    (options[stage === undefined ? "lora" : keyOf(stage)] ??= []).push(`${file}:${plain}`);
  }
  return options;
}

function parseLora(text: string): LoraRequest {
  const [, file = text, weight] = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return { file, weight: weight === undefined ? 1 : Number(weight) };
}
