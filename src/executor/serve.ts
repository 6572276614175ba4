/**
 * @module executor/serve
 * The child's side of executor/child: hears a task, works, answers, ends. It ends too when its parent is gone.
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
  void answer(listen(), work);
  // these reach the whole group; the parent decides what becomes of its children
  for (const signal of ["SIGINT", "SIGHUP", "SIGQUIT"] as const) process.on(signal, () => {});
  process.once("disconnect", () => process.exit()); // the parent is gone: nobody waits for the result
}

/** @returns what waits for the parent's next message; those that come early are kept. */
function listen(): Parent<unknown>["hear"] {
  const early: unknown[] = [];
  let give: ((message: unknown) => void) | undefined;
  process.on("message", (message) => {
    if (give) give(message);
    else early.push(message);
    give = undefined;
  });
  return async () => (early.length > 0 ? early.shift() : new Promise((resolve) => (give = resolve)));
}

async function answer<Message>(hear: Parent<Message>["hear"], work: Work<Message>): Promise<void> {
  try {
    await work(await hear(), { send, hear });
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
