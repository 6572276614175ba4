/**
 * @module executor/run-safety
 * The safety stage's work: the last stage's pictures are looked at, hidden if they are flagged, and drawn.
 */

import { join } from "node:path";
import { SCORE_LIMIT, type SafetyScore, hidePicture, scorePictures } from "../pipelines/safety.ts";
import type { NetworkSettings } from "../networks/components.ts";
import type { SafetyStage } from "../plan/plan.ts";
import { developPictures, drawPictures } from "./draw-pictures.ts";
import { SAFETY_REPORT_FILE, type SafetyReport, type StageJob, type StageMessage } from "./protocol.ts";
import { readTensorFile, writeTextFile } from "./stage-files.ts";

export async function runSafety(
  job: StageJob,
  { checkpoint, action, of }: SafetyStage,
  settings: NetworkSettings,
  report: (message: StageMessage) => void,
): Promise<void> {
  if (!job.pictures) throw new Error("the safety stage has no pictures to draw");
  const images = await developPictures(await readTensorFile(job.folder, of.name), of, job.pictures);
  const onScored = (step: number, steps: number): void =>
    report({ type: "progress", step, steps, what: "looking at the pictures" });
  onScored(0, images.length);
  const scores: SafetyReport = await scorePictures(images, { checkpoint, settings, onScored });
  await writeTextFile(join(job.folder, SAFETY_REPORT_FILE), JSON.stringify(scores));
  for (const [index, score] of scores.entries()) {
    if (score.flagged) report({ type: "note", text: describeFlag(index + 1, scores.length, score, action) });
  }
  const shown = images.map((image, index) => (scores[index]?.flagged ? hidePicture(image, action) : image));
  await drawPictures(shown, of, job.pictures);
}

function describeFlag(
  picture: number,
  pictures: number,
  { unsafe, watermark }: SafetyScore,
  action: SafetyStage["action"],
): string {
  const which = pictures === 1 ? "The picture" : `Picture ${picture}`;
  const [what, score] =
    unsafe > SCORE_LIMIT
      ? ["may show something not safe for work", unsafe]
      : ["may show the watermark of a stock picture", watermark];
  const done = action === "black" ? "drawn black" : "blurred";
  return `${which} ${what} (score ${score.toFixed(2)}, limit ${SCORE_LIMIT}) and was ${done}; try another prompt or seed.`;
}
