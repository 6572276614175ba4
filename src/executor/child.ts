/**
 * @module executor/child
 * A child process with one owner: it is started, told its task, listened to, and ended: asked first, and killed after a
 * grace period. The first reason to end it is the one that is reported. Every process that this program forks is one.
 */

import { type ChildProcess, type Serializable, fork } from "node:child_process";
import type { z } from "zod";
import { childEnvironment } from "../machine/environment.ts";

/** How long a child that was asked to end may take before it is killed. */
const GRACE_MS = 2_000;
/** Of what it writes to standard error, the end is kept. */
const STDERR_LENGTH = 4_000;

export interface ChildOptions<Message> {
  /** Its main module, built. */
  readonly entry: URL;
  /** What it is told. */
  readonly task: Serializable;
  /** What it may say; anything else is a mistake of ours. */
  readonly schema: z.ZodType<Message>;
  readonly onMessage: (message: Message) => void;
  /** @default the parent's */
  readonly env?: NodeJS.ProcessEnv;
  /** Ends it when aborted; the signal's reason is the reason. */
  readonly signal?: AbortSignal | undefined;
  /** A child that runs longer is killed. @default never */
  readonly timeoutMs?: number;
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to standard error. */
  readonly stderr: string;
  /** Why this process ended it, or why it could not be started; absent: it ended by itself. */
  readonly reason?: Error;
  /** It was gone before it could be told its task. */
  readonly unsent?: Error;
}

export interface Child {
  /** 0: it could not be started. */
  readonly pid: number;
  /** Once it has ended and all that it said was heard. Never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** Tells it more; a child that is gone is heard of by `ended`. */
  readonly tell: (message: Serializable) => void;
  /** Asks it to end, and kills it if it does not. */
  readonly stop: (reason: Error) => void;
  /** Ends it at once. */
  readonly kill: (reason: Error) => void;
}

export function startChild<Message>(options: ChildOptions<Message>): Child {
  const child = fork(options.entry, {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "json",
    execArgv: [], // of a program that uses the library: --eval or --inspect are not for its children
    env: childEnvironment(options.env),
  });
  let reason: Error | undefined;
  let unsent: Error | undefined;
  let stderr = "";
  const timers: NodeJS.Timeout[] = [];
  const kill = (why: Error): void => {
    reason ??= why;
    child.kill("SIGKILL");
  };
  const stop = (why: Error): void => {
    reason ??= why;
    child.kill("SIGTERM");
    timers.push(setTimeout(() => child.kill("SIGKILL"), GRACE_MS));
  };
  const abort = (): void => stop(options.signal?.reason as Error);
  const { timeoutMs } = options;
  if (timeoutMs !== undefined) {
    timers.push(setTimeout(() => kill(new Error(`it gave no answer in ${timeoutMs / 1000} s`)), timeoutMs));
  }
  if (options.signal?.aborted) abort(); // an event that has passed does not come again
  options.signal?.addEventListener("abort", abort, { once: true });
  child.stderr?.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-STDERR_LENGTH)));
  child.on("message", (message) => {
    const parsed = options.schema.safeParse(message);
    if (parsed.success) options.onMessage(parsed.data);
    else kill(parsed.error);
  });
  child.send(options.task, (error) => {
    if (error) unsent = error;
  });
  const ended = untilEnd(child, (error) => (reason ??= error)).then(({ code, signal }) => {
    timers.forEach(clearTimeout);
    options.signal?.removeEventListener("abort", abort);
    return { code, signal, stderr, ...(reason ? { reason } : {}), ...(unsent ? { unsent } : {}) };
  });
  const tell = (message: Serializable): void => void child.send(message, () => undefined);
  return { pid: child.pid ?? 0, ended, tell, stop, kill };
}

/** "close" comes after "exit", once the channel and the streams are drained; nothing closes that was never started. */
function untilEnd(child: ChildProcess, onError: (error: Error) => void): Promise<Pick<ChildEnd, "code" | "signal">> {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      onError(error);
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

/** @returns what a child wrote before it ended, as a sentence; empty if nothing. */
export const wordsOf = ({ stderr }: ChildEnd): string => (stderr.trim() === "" ? "" : ` It said: ${stderr.trim()}`);
