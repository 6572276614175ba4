/**
 * @module cli/interrupt
 * Ctrl-C and the other signals that ask a program to end, as an AbortSignal that carries the error the program then ends with.
 */

import { type ErrorCode, IfGenError } from "../errors.ts";

const signals = {
  SIGINT: ["INTERRUPTED", "interrupted"],
  SIGTERM: ["TERMINATED", "asked to end"],
  SIGHUP: ["HANGUP", "the terminal is gone"],
  SIGQUIT: ["QUIT", "asked to quit"],
} as const satisfies Partial<Record<NodeJS.Signals, readonly [ErrorCode, string]>>;

/** @param state what is left behind: "what has arrived is kept". */
export function listenForInterrupt(state: string): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const handlers = Object.entries(signals).map(([name, [code, what]]) => {
    const end = (): void => controller.abort(new IfGenError(code, `${what}; ${state}.`));
    process.on(name, end);
    return [name, end] as const;
  });
  const release = (): void => handlers.forEach(([name, end]) => process.off(name, end));
  return { signal: controller.signal, release };
}
