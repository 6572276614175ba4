/**
 * @module files/writing
 * What the system says when it does not let something be written, as a sentence.
 */

import { IfGenError, OutputError, whyNotWritten } from "../errors.ts";

/**
 * @param what is written, as a sentence begins: `the run folder /x`.
 * @throws {OutputError} what `work` throws, unless that is a sentence already.
 */
export async function writing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof IfGenError) throw cause;
    throw new OutputError(`${what} cannot be written to: ${whyNotWritten(cause)}.`, { cause });
  }
}
