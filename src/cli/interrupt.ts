/**
 * @module cli/interrupt
 * Ctrl-C and a polite kill, as an AbortSignal that carries the error the program then ends with.
 */

import { IfGenError } from "../errors.ts";

/** @param state what is left behind: "what has arrived is kept". */
export function listenForInterrupt(state: string): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const onInterrupt = (): void => controller.abort(new IfGenError("INTERRUPTED", `interrupted; ${state}.`));
  const onTerminate = (): void => controller.abort(new IfGenError("TERMINATED", `asked to end; ${state}.`));
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  const release = (): void => {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onTerminate);
  };
  return { signal: controller.signal, release };
}
