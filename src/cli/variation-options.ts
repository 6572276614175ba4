/**
 * @module cli/variation-options
 * `--variations 4 --variation-strength 0.2`: images near one that is liked.
 */

import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import type { Request } from "../plan/request.ts";
import { seedAfter } from "../run/job-options.ts";
import { integer, decimal, seed } from "./values.ts";

export interface VariationOptions {
  variations?: number;
  variationSeed?: bigint;
  variationStrength?: number;
}

export function addVariationOptions(command: Command): Command {
  return command
    .option("--variations <count>", "so many images near the seed's own: see --variation-strength", integer(1, 64))
    .option("--variation-strength <share>", "how far from it, 0 to 1: 0.1 changes details, 0.5 much", decimal(0, 1))
    .option("--variation-seed <seed>", "one variation, towards this seed (default: the next one)", seed);
}

/** @returns for each request its variations, towards the seeds after its own. @throws {UsageError} one option lacks another. */
export function variationsOf(requests: readonly Request[], { variations, variationSeed }: VariationOptions): Request[] {
  if (variations === undefined) return [...requests];
  if (variationSeed !== undefined)
    throw new UsageError("--variations counts seeds up by itself; leave --variation-seed out.");
  return requests.flatMap((request) => {
    const { variation } = request;
    if (!variation)
      throw new UsageError(
        "--variations needs --variation-strength, from 0 to 1: how far they are from the seed's own image.",
      );
    return Array.from({ length: variations }, (_, index) => ({
      ...request,
      variation: { ...variation, seed: seedAfter(request.seed, index + 1) },
    }));
  });
}
