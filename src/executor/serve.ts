/**
 * @module executor/serve
 * The child's side of executor/child: hears one task, works, answers, ends. It ends too when its parent is gone.
 */

import { IfGenError, exitCodes } from "../errors.ts";
import type { FailureMessage } from "./messages.ts";

/** What a child works with. */
export interface Parent<Message> {
  readonly send: (message: Message) => Promise<void>;
  /** @returns what the parent says next. */
  readonly hear: () => Promise<unknown>;
}

type Work<Message> = (task: unknown, parent: Parent<Message>) => Promise<void>;

/** @param work what it throws is sent as a {@link FailureMessage}. */
export function serve<Message>(work: Work<Message>): void {
  process.once("message", (task) => void answer(task, work));
  // these reach the whole group; the parent decides what becomes of its children
  for (const signal of ["SIGINT", "SIGHUP", "SIGQUIT"] as const) process.on(signal, () => {});
  process.once("disconnect", () => process.exit()); // the parent is gone: nobody waits for the result
}

async function answer<Message>(task: unknown, work: Work<Message>): Promise<void> {
  const heard: Promise<unknown> = new Promise((resolve) => process.once("message", resolve)); // it may come early
  try {
    await work(task, { send, hear: () => heard });
  } catch (error) {
    process.exitCode = error instanceof IfGenError ? error.exitCode : exitCodes.STAGE;
    await send({ type: "error", ...describe(error) });
  }
  process.removeAllListeners("disconnect");
  process.disconnect();
}

function describe(error: unknown): Omit<FailureMessage, "type"> {
  if (error instanceof IfGenError) return { code: error.code, message: error.message };
  if (!(error instanceof Error)) return { code: null, message: String(error) };
  if (/bad_alloc|failed to allocate/i.test(error.message)) {
    return { code: "STAGE", message: `not enough memory: ${error.message}` };
  }
  return { code: null, message: error.stack ?? error.message };
}

/** Resolves once the parent has it: a child that ends before would lose it. */
function send(message: unknown): Promise<void> {
  return new Promise((resolve) => {
    if (!process.send) throw new Error("this file is started by the executor, not by hand");
    process.send(message as object, undefined, {}, () => resolve());
  });
}
