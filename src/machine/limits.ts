/**
 * @module machine/limits
 * Limits that a shell or a batch system sets to each process. Source: proc(5), /proc/PID/limits.
 */

import { readFileSync } from "node:fs";

export interface ProcessLimits {
  /** `ulimit -n`; undefined: none, or the system does not say. */
  readonly openFiles?: number;
  /** `ulimit -v`, of addresses, whether or not there is memory behind them. */
  readonly addressBytes?: number;
}

export function readProcessLimits(read: () => string = () => readFileSync("/proc/self/limits", "utf8")): ProcessLimits {
  let text = "";
  try {
    text = read();
  } catch {
    return {}; // not Linux
  }
  const softLimit = (name: string): number | undefined => {
    const [, digits] = new RegExp(`^${name} +(\\d+) `, "m").exec(text) ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  const [openFiles, addressBytes] = [softLimit("Max open files"), softLimit("Max address space")];
  return { ...(openFiles === undefined ? {} : { openFiles }), ...(addressBytes === undefined ? {} : { addressBytes }) };
}
