/**
 * @module executor/conversion
 * What parent and child say to each other when images become other files: which, as what, and that it is done.
 */

import { z } from "zod";
import { imageFormats } from "../image/formats.ts";
import { failureMessage } from "./messages.ts";

export const conversionJob = z.strictObject({
  /** PNG files; several become one sheet. On one with a layout, "" is an empty cell. */
  sources: z.array(z.string()).min(1),
  /** With labels; absent: in rows, as square as their number allows. */
  layout: z
    .strictObject({
      columns: z.int().positive(),
      cell: z.int().positive(),
      rowLabels: z.array(z.string()),
      columnLabels: z.array(z.string()),
      captions: z.array(z.string()),
    })
    .exactOptional(),
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
