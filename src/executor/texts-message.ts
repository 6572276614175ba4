/**
 * @module executor/texts-message
 * What the child that reads an image's texts says.
 */

import { z } from "zod";
import { failureMessage } from "./messages.ts";

export const textsMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("result"),
    /** By their keywords. */
    texts: z.record(z.string(), z.string()),
  }),
  failureMessage,
]);
export type TextsMessage = z.infer<typeof textsMessage>;
