/**
 * @module cli/keep-alive-option
 * `--keep-alive`, of the commands that draw one group of jobs after the other.
 */

import type { Command } from "commander";

export interface KeepAliveOption {
  keepAlive?: boolean;
}

/** @param groups what follows each other: `groups`, `chunks`. */
export const addKeepAliveOption = (command: Command, groups: string): Command =>
  command.option(
    "--keep-alive",
    `keep networks loaded between ${groups} of jobs, as far as the memory budget lets them`,
  );
