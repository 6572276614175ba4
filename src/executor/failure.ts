/**
 * @module executor/failure
 * A child's failure message as the error it was there.
 */

import { type ErrorCode, IfGenError, exitCodes } from "../errors.ts";

/** @param who is named before a bug's stack. */
export function errorOf(who: string, code: string | null, message: string): Error {
  if (code !== null && code in exitCodes) return new IfGenError(code as ErrorCode, message);
  const bug = new Error(`${who}: ${message}`);
  bug.stack = `${who}: ${message}`; // the child's stack, not ours
  return bug;
}
