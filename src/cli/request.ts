/**
 * @module cli/request
 * What commander collected -> a request.
 */

import { UsageError } from "../errors.ts";
import type { CommandName } from "../plan/choices.ts";
import type { Request } from "../plan/request.ts";
import { jobOptionNames, requestFromOptions } from "../run/job-options.ts";
import type { CommonOptions } from "./options.ts";

/**
 * @param resumed the request of the run that is gone on with: its seed is taken where none is given.
 * @throws {UsageError} no prompt, or an empty one; options that do not go together.
 */
export function requestFrom(command: CommandName, options: CommonOptions, resumed?: Request): Request {
  const { prompt } = options;
  if (prompt === undefined) throw new UsageError('no prompt is given; write it in quotes, e.g. "a red circle".');
  if (prompt.trim() === "") throw new UsageError("the prompt is empty; say what the image should show.");
  const given = jobOptionsFrom(options);
  return requestFromOptions(command, { ...given, seed: given["seed"] ?? resumed?.seed });
}

/** @returns what is given of the options that a job has, as the library takes them. */
export function jobOptionsFrom(options: CommonOptions): Readonly<Record<string, unknown>> {
  const { seed, textEncoderBits, unetBits } = options;
  const given = Object.entries(options).filter(([name]) => jobOptionNames.includes(name));
  return {
    ...Object.fromEntries(given),
    seed: seed === undefined ? undefined : Number(BigInt.asUintN(32, seed)),
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
