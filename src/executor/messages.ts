/**
 * @module executor/messages
 * What every child may say, whatever it does.
 */

import { z } from "zod";

/** What any child may say when it fails. `code` is one of errors.ts, or null for a bug, which comes with its stack. */
export const failureMessage = z.strictObject({
  type: z.literal("error"),
  code: z.string().nullable(),
  message: z.string(),
});
export type FailureMessage = z.infer<typeof failureMessage>;
