/**
 * @module executor/inspection
 * What parent and child say to each other before a plan is made from an image: which files, and what is in them.
 */

import { z } from "zod";
import { maskRequest } from "../plan/request.ts";
import { failureMessage } from "./messages.ts";

/** Which image, which mask, and what the stages that start from it can draw. */
export const inspectionJob = z.strictObject({
  image: z.string(),
  mask: maskRequest.exactOptional(),
  stages: z.array(
    z.strictObject({
      label: z.string(),
      /** Its own, in place of the common one. */
      mask: maskRequest.exactOptional(),
      grid: z.strictObject({ sampleSize: z.int().positive(), multiple: z.int().positive() }),
    }),
  ),
});
export type InspectionJob = z.infer<typeof inspectionJob>;

export const inspectionMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("result"),
    /** In pixels, turned as its EXIF data say. */
    width: z.int().positive(),
    height: z.int().positive(),
    /** A tensor may hold several. */
    images: z.int().positive(),
    /** Sentences for the user. */
    notes: z.array(z.string()),
  }),
  failureMessage,
]);
export type InspectionMessage = z.infer<typeof inspectionMessage>;
export type Inspection = Omit<Extract<InspectionMessage, { type: "result" }>, "type">;
