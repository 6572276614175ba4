/**
 * @module executor/inspection
 * What parent and child say to each other before a plan is made from a picture: which files, and what is in them.
 */

import { z } from "zod";
import { mask } from "./protocol.ts";

/** Which picture, which mask, and what the IF stages can draw. */
export const inspectionJob = z.strictObject({
  image: z.string(),
  mask: mask.exactOptional(),
  grids: z.array(z.strictObject({ sampleSize: z.int().positive(), multiple: z.int().positive() })),
});
export type InspectionJob = z.infer<typeof inspectionJob>;

export const inspectionMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("result"),
    /** In pixels, turned as its EXIF data say. */
    width: z.int().positive(),
    height: z.int().positive(),
    /** Sentences for the user. */
    notes: z.array(z.string()),
  }),
  z.strictObject({ type: z.literal("error"), code: z.string().nullable(), message: z.string() }),
]);
export type InspectionMessage = z.infer<typeof inspectionMessage>;
export type Inspection = Omit<Extract<InspectionMessage, { type: "result" }>, "type">;
