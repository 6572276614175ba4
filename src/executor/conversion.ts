/**
 * @module executor/conversion
 * What parent and child say to each other when images become other files: which, as what, and that it is done.
 */

import { z } from "zod";
import { imageFormats } from "../image/formats.ts";
import { failureMessage } from "./messages.ts";

export const conversionJob = z.strictObject({
  /** PNG files; several become one sheet. */
  sources: z.array(z.string()).min(1),
  /** Written whole or not at all; replaced if it is there. */
  target: z.string(),
  format: z.enum(imageFormats),
});
export type ConversionJob = z.infer<typeof conversionJob>;

export const conversionMessage = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("result") }),
  failureMessage,
]);
export type ConversionMessage = z.infer<typeof conversionMessage>;
