/**
 * @module run/options-that-fit
 * What makes a plan fit that does not: smaller weights, tried one after the other by planning with them.
 */

import type { Request } from "../plan/request.ts";
import { completePlans } from "./complete-plans.ts";
import type { RunSettings } from "./settings.ts";

type Change = Partial<Pick<Request, "textEncoderBits" | "unetBits" | "numImages">>;

/** From what costs the least of quality. */
const smallerWeights: readonly Change[] = [
  { textEncoderBits: 8 },
  { unetBits: 8 },
  { textEncoderBits: 8, unetBits: 8 },
  { textEncoderBits: 4, unetBits: 8 },
];

/**
 * @param fits does a request fit? Absent: it is planned.
 * @returns options of the command line with which every stage fits; undefined: none of those that were tried do.
 */
export async function optionsThatFit(
  request: Request,
  settings: RunSettings,
  fits: (request: Request) => Promise<boolean> = (changed) => plannedFits(changed, settings),
): Promise<string | undefined> {
  const one: readonly Change[] =
    request.numImages > 1 ? [{}, ...smallerWeights].map((change) => ({ ...change, numImages: 1 })) : [];
  for (const change of [...smallerWeights, ...one]) {
    if (await fits({ ...request, ...change })) return wordsOf(change);
  }
  return undefined;
}

async function plannedFits(request: Request, settings: RunSettings): Promise<boolean> {
  const plans = await completePlans([request], { ...settings, onEvent: undefined });
  return plans.every(({ needs }) => needs.every(({ verdict }) => verdict !== "too large"));
}

const wordsOf = ({ textEncoderBits, unetBits, numImages }: Change): string =>
  [
    ...(numImages === undefined ? [] : [`--num-images ${numImages}`]),
    ...(textEncoderBits === undefined ? [] : [`--text-encoder-bits ${textEncoderBits}`]),
    ...(unetBits === undefined ? [] : [`--unet-bits ${unetBits}`]),
  ].join(" ");
