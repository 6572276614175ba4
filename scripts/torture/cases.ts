/** Runs cases in a child process that is killed when one takes too long, and started anew when one ends it. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

export interface CaseJob {
  readonly reader: string;
  readonly folder: string;
  readonly file: string;
}

export interface CaseResult {
  /** read: taken; refused: one of our own errors; crashed: any other; killed: too long; died: the process ended. */
  readonly outcome: "read" | "refused" | "crashed" | "killed" | "died";
  readonly message: string;
  readonly ms: number;
  readonly peakBytes: number;
}

/** Longer than any promise, so that what breaks one is measured before it is killed. */
const killMs = 10_000;

export class CaseRunner {
  #child: ChildProcess | undefined;

  async run(job: CaseJob): Promise<CaseResult> {
    const child = (this.#child ??= start());
    const startMs = performance.now();
    child.send(job);
    const ended = new AbortController();
    const result = await Promise.race([
      once(child, "message", { signal: ended.signal }).then(([message]) => message as CaseResult),
      once(child, "exit", { signal: ended.signal }).then(([code, signal]) =>
        failure("died", `${code ?? signal}`, startMs),
      ),
      late(ended.signal).then(() => failure("killed", `more than ${killMs} ms`, startMs)),
    ]);
    ended.abort();
    if (result.outcome === "killed" || result.outcome === "died") this.end();
    return result;
  }

  end(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}

function start(): ChildProcess {
  return fork(new URL("case-process.js", import.meta.url), [], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "inherit", "ignore", "ipc"],
  });
}

function failure(outcome: "died" | "killed", message: string, startMs: number): CaseResult {
  return { outcome, message, ms: performance.now() - startMs, peakBytes: 0 };
}

async function late(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, killMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
    });
  });
}
