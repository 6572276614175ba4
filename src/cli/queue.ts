/**
 * @module cli/queue
 * `if-gen queue ...`: what is in a queue.
 */

import type { ProgramCommand } from "./command.ts";
import { addQueueOption } from "./queue-options.ts";

export function defineQueue(queue: ProgramCommand): void {
  const address = "its Redis server: redis://localhost:6379; IF_GEN_QUEUE_PASSWORD may hold the password";
  addQueueOption(queue.command("status"), address)
    .description("how many jobs wait, are drawn and have failed, and why the last ones did")
    .option("--json", "print it as JSON")
    .action(async (options: { queue?: string; json?: boolean }) => (await import("./queue-run.ts")).showQueue(options));
  addQueueOption(queue.command("retry"), address)
    .description("let everything that failed wait again")
    .action(async (options: { queue?: string }) => (await import("./queue-run.ts")).retryQueue(options));
  addQueueOption(queue.command("drain"), address)
    .description("take out what waits; what workers are at is drawn to its end")
    .action(async (options: { queue?: string }) => (await import("./queue-run.ts")).emptyQueue(options));
}
