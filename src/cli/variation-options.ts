/**
 * @module cli/variation-options
 * `--variations 4 --variation-strength 0.2`: images near one that is liked.
 */

import type { Command } from "commander";
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
