/**
 * @module cli/list-options
 * Several prompts that share one generator.
 */

import type { Command } from "commander";

export const addListOptions = (command: Command): Command =>
  command
    .option(
      "--more-prompts <text>",
      "draw this prompt in one batch with the first, from one generator, as diffusers draws a list; can be repeated",
      several,
    )
    .option(
      "--more-negative-prompts <text>",
      "its negative prompt (default: the first one's); one for each of --more-prompts",
      several,
    );

const several = (text: string, before: readonly string[] = []): string[] => [...before, text];
