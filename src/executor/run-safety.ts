/**
 * @module executor/run-safety
 * The safety stage's work: the last stage's images are looked at, hidden if they are flagged, and drawn.
 */

import { join } from "node:path";
import type { NetworkSettings } from "../networks/open-network.ts";
import { SCORE_LIMIT, type SafetyScore, hideImage, withSafetyChecker } from "../pipelines/safety.ts";
import type { SafetyStage } from "../plan/plan.ts";
import { developImages, drawImages } from "./draw-images.ts";
import { SAFETY_REPORT_FILE, type SafetyReport } from "./protocol.ts";
import type { StageContext } from "./run-stage.ts";
import { readTensorFile, writeBytes } from "./stage-files.ts";

export async function runSafety(
  { checkpoint, action, of: origin }: SafetyStage,
  settings: NetworkSettings,
  { jobs, report }: StageContext,
): Promise<void> {
  await withSafetyChecker({ checkpoint, settings }, async (scoreImages) => {
    for (const job of await jobs()) {
      const { index, folder } = job;
      if (!job.images) throw new Error("the safety stage has no images to draw");
      const images = await developImages(await readTensorFile(folder, origin.name), origin, job);
      const onScored = (step: number, steps: number): void =>
        report({ type: "progress", job: index, step, steps, what: "looking at the images" });
      onScored(0, images.length);
      const scores: SafetyReport = await scoreImages(images, onScored);
      await writeBytes(join(folder, SAFETY_REPORT_FILE), JSON.stringify(scores));
      for (const [image, score] of scores.entries()) {
        if (!score.flagged) continue;
        report({ type: "note", job: index, text: describeFlag(image + 1, scores.length, score, action) });
      }
      const shown = images.map((image, at) => (scores[at]?.flagged ? hideImage(image, action) : image));
      await drawImages(shown, origin, job.images);
      report({ type: "finished", job: index });
    }
  });
}

function describeFlag(
  image: number,
  images: number,
  { unsafe, watermark }: SafetyScore,
  action: SafetyStage["action"],
): string {
  const which = images === 1 ? "The image" : `Image ${image}`;
  const [what, score] =
    unsafe > SCORE_LIMIT
      ? ["may show something not safe for work", unsafe]
      : ["may show the watermark of a stock image", watermark];
  const done = action === "black" ? "drawn black" : "blurred";
  return `${which} ${what} (score ${score.toFixed(2)}, limit ${SCORE_LIMIT}) and was ${done}; try another prompt or seed.`;
}
