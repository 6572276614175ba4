/**
 * @module run/options-that-fit
 * What makes a plan fit that does not: smaller weights, tried one after the other by planning with them.
 */

import type { Request } from "../plan/request.ts";
import { completePlans } from "./complete-plans.ts";
import type { RunSettings } from "./settings.ts";

type Change = Pick<Request, "textEncoderBits" | "unetBits" | "numImages">;

/** From what costs the least of quality. */
const changes: readonly Partial<Change>[] = [
  { textEncoderBits: 8 },
  { unetBits: 8 },
  { textEncoderBits: 8, unetBits: 8 },
  { textEncoderBits: 4, unetBits: 8 },
];

/** @returns options of the command line with which every stage fits; undefined: none of those that were tried do. */
export async function optionsThatFit(request: Request, settings: RunSettings): Promise<string | undefined> {
  const counts = request.numImages > 1 ? [{}, { numImages: 1 }] : [{}];
  for (const count of counts) {
    for (const change of [...(count.numImages === undefined ? [] : [{}]), ...changes]) {
      const changed = { ...change, ...count };
      const plans = await completePlans([{ ...request, ...changed }], { ...settings, onEvent: undefined });
      if (plans.every(({ needs }) => needs.every(({ verdict }) => verdict !== "too large"))) return wordsOf(changed);
    }
  }
  return undefined;
}

const wordsOf = ({ textEncoderBits, unetBits, numImages }: Partial<Change>): string =>
  [
    ...(numImages === undefined ? [] : [`--num-images ${numImages}`]),
    ...(textEncoderBits === undefined ? [] : [`--text-encoder-bits ${textEncoderBits}`]),
    ...(unetBits === undefined ? [] : [`--unet-bits ${unetBits}`]),
  ].join(" ");
