/**
 * @module cli/variations
 * `--variations 4`: one request more for each.
 */

import { UsageError } from "../errors.ts";
import type { Request } from "../plan/request.ts";
import { seedAfter } from "../run/job-options.ts";
import type { VariationOptions } from "./variation-options.ts";

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
