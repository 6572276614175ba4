/**
 * @module cli/request
 * What commander collected -> a request.
 */

import { UsageError } from "../errors.ts";
import type { CommandName } from "../plan/choices.ts";
import type { Request } from "../plan/request.ts";
import { jobOptionNames, requestFromOptions } from "../run/job-options.ts";
import type { FlatOptions } from "../run/options-from-request.ts";
import type { CommonOptions } from "./options.ts";
import { variationsOf } from "./variations.ts";

/**
 * @param resumed the requests of the run that is gone on with: their seeds are taken where none is given.
 * @param repeated all options, where an image's are taken: seeds that are given stand beside them.
 * @returns one request per seed, or its variations.
 * @throws {UsageError} no prompt, or an empty one; options that do not go together.
 */
export function requestsFrom(
  command: CommandName,
  options: CommonOptions,
  resumed: readonly Request[] = [],
  repeated?: FlatOptions,
): Request[] {
  const seeds = options.seed?.map(seedOf) ?? [...new Set(resumed.map(({ seed }) => seed))];
  const requests = (seeds.length > 0 ? seeds : [undefined]).map((seed) =>
    repeated
      ? requestFromOptions(command, { ...repeated, ...(seed === undefined ? {} : { seed }) })
      : requestFrom(command, options, seed),
  );
  return variationsOf(requests, options);
}

/** torch takes the low 32 bits of a seed. */
export const seedOf = (given: bigint): number => Number(BigInt.asUintN(32, given));

function requestFrom(command: CommandName, options: CommonOptions, seed: number | undefined): Request {
  const { prompt } = options;
  if (command === "upscale" || command === "style" || options.promptEmbeds !== undefined)
    return requestFromOptions(command, { ...jobOptionsFrom(withPrompt(options)), seed });
  if (prompt === undefined) throw new UsageError('no prompt is given; write it in quotes, e.g. "a red circle".');
  if (prompt.trim() === "") throw new UsageError("the prompt is empty; say what the image should show.");
  return requestFromOptions(command, { ...jobOptionsFrom(options), seed });
}

/** An image may be enlarged without words, and embeddings say what a prompt would. */
const withPrompt = ({ prompt = "", ...options }: CommonOptions): CommonOptions =>
  prompt.trim() === "" ? options : { ...options, prompt };

/** @returns what is given of the options that a job has but its seed, as the library takes them. */
export function jobOptionsFrom(options: CommonOptions): Readonly<Record<string, unknown>> {
  const { textEncoderBits, unetBits } = options;
  const given = Object.entries(options).filter(([name]) => name !== "seed" && jobOptionNames.includes(name));
  return {
    ...Object.fromEntries(given),
    textEncoderBits: textEncoderBits && Number(textEncoderBits),
    unetBits: unetBits === "8" ? 8 : undefined,
  };
}

/** @throws {UsageError} the prompt is given twice. */
export function promptFrom(argument: string | undefined, option: string | undefined): string | undefined {
  if (argument !== undefined && option !== undefined) {
    throw new UsageError("the prompt is given twice, as an argument and with --prompt; give one.");
  }
  return argument ?? option;
}
