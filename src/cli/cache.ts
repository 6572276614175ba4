/**
 * @module cli/cache
 * `if-gen cache ...`: weights that were made smaller here, and the room they take.
 */

import type { ProgramCommand } from "./command.ts";

export function defineCache(cache: ProgramCommand): void {
  cache
    .command("list")
    .description("what there is, what it was made of, and its size")
    .option("--json", "print it as JSON")
    .action(async (options: { json?: boolean }) => (await import("./cache/list.ts")).listCache(options));
  cache
    .command("verify")
    .description("read every byte of it; what is damaged is named, and made again when it is needed")
    .option("--json", "print it as JSON")
    .action(async (options: { json?: boolean }) => (await import("./cache/verify.ts")).verifyCache(options));
  cache
    .command("rm [names...]")
    .description("remove entries by their names, or all; they are made again when they are needed")
    .option("--all", "remove everything")
    .action(async (names: string[], options: { all?: boolean }) =>
      (await import("./cache/rm.ts")).removeFromCache(names, options),
    );
}
