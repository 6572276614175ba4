/**
 * @module cli/doctor/check
 * One thing that `doctor` has looked at.
 */

import type { ErrorCode } from "../../errors.ts";

/** `note`: something is absent or off that nothing depends on here. */
export type State = "ok" | "note" | "problem";

export interface Check {
  readonly name: string;
  readonly state: State;
  readonly text: string;
  /** What to do about it. */
  readonly next?: string;
  /** Set where the demo cannot run with this problem: what the program then ends with. */
  readonly breaksDemo?: ErrorCode;
}

export const ok = (name: string, text: string): Check => ({ name, state: "ok", text });

export const note = (name: string, text: string, next?: string): Check => ({
  name,
  state: "note",
  text,
  ...(next === undefined ? {} : { next }),
});

export const problem = (name: string, text: string, next: string, breaksDemo?: ErrorCode): Check => ({
  name,
  state: "problem",
  text,
  next,
  ...(breaksDemo === undefined ? {} : { breaksDemo }),
});
