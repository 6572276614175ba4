/**
 * A process that answers each line of JSON on its standard input with one on its standard output: both sides of a
 * comparison stay loaded and take turns.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface LineProcess {
  /** @throws {Error} the process has ended: with what it said last. */
  readonly ask: <T>(question: object) => Promise<T>;
  readonly end: () => Promise<void>;
}

/** @param environment is added to this process's own. */
export function startLineProcess(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): LineProcess {
  const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  const ended = endOf(child);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async <T>(question: object) => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      for (let next = await answers.next(); next.done !== true; next = await answers.next()) {
        if (next.value.startsWith("{")) return JSON.parse(next.value) as T; // libraries print to standard output too
      }
      throw new Error(`${command} ${args.join(" ")} ended: ${said.trim() || "it said nothing"}`);
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

function endOf(child: ChildProcess): Promise<void> {
  child.stdin?.on("error", () => {}); // a child that cannot start: what it said is thrown by `ask`
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
}
