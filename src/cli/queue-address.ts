/**
 * @module cli/queue-address
 * `--queue`: an address of a Redis server. What a command line says is seen by others of the machine, so its password may
 * stand in a variable.
 */

import { UsageError } from "../errors.ts";
import { readProgramVariables } from "../machine/environment.ts";

const PASSWORD = "IF_GEN_QUEUE_PASSWORD";

/** @throws {UsageError} none is named, or it is no address. */
export function queueAddress(queue: string | undefined): string {
  if (queue === undefined)
    throw new UsageError("no queue is named; name one with --queue, e.g. --queue redis://localhost:6379.");
  const url = URL.canParse(queue) ? new URL(queue) : undefined;
  if (!url || !["redis:", "rediss:"].includes(url.protocol) || url.host === "")
    throw new UsageError("--queue: give the address of a Redis server, such as redis://localhost:6379.");
  const password = readProgramVariables()[PASSWORD];
  if (url.password === "" && password !== undefined) url.password = password;
  return url.href;
}
