/**
 * @module executor/inspect-worker
 * The child of inspect-picture: reads the picture and its mask, says what they are, ends.
 */

import { IfGenError, InputImageError, UsageError } from "../errors.ts";
import { composeMask } from "../image/mask.ts";
import { preprocessMaskTo } from "../image/preprocess.ts";
import { readImage, readMask } from "../image/read-image.ts";
import type { MaskRequest, MaskShape } from "../plan/request.ts";
import { type Size, type StageGrid, checkAspectRatio, stageSize } from "../plan/stage-size.ts";
import { type Inspection, type InspectionMessage, inspectionJob } from "./inspection.ts";

process.once("message", (message) => {
  void answer(message);
});
process.once("disconnect", () => process.exit()); // the parent is gone

async function answer(message: unknown): Promise<void> {
  try {
    await send({ type: "result", ...(await inspect(message)) });
  } catch (error) {
    if (error instanceof IfGenError) await send({ type: "error", code: error.code, message: error.message });
    else
      await send({ type: "error", code: null, message: error instanceof Error ? (error.stack ?? "") : String(error) });
  }
  process.removeAllListeners("disconnect");
  process.disconnect();
}

async function inspect(message: unknown): Promise<Inspection> {
  const job = inspectionJob.parse(message);
  const { width, height } = await readImage(job.image);
  checkAspectRatio({ width, height });
  const notes = job.mask ? await inspectMask(job.mask, { width, height }, job.grids) : [];
  return { width, height, notes };
}

async function inspectMask(request: MaskRequest, picture: Size, grids: readonly StageGrid[]): Promise<string[]> {
  for (const shape of request.shapes) checkInside(shape, picture);
  const file = request.file === undefined ? undefined : await readMask(request.file);
  const mask = composeMask(file, request, picture);
  const painted = grids.map((grid) => {
    const { width, height } = stageSize(picture, grid);
    return preprocessMaskTo(mask, width, height).data.some((value) => value > 0);
  });
  checkPaints(
    painted,
    mask.data.some((value) => value > 127),
  );
  const fits = !file || (file.width === picture.width && file.height === picture.height);
  return [
    ...(fits ? [] : [describeFit(file, picture)]),
    ...painted.flatMap((paints, index) => (paints ? [] : [describeLoss(index + 1)])),
  ];
}

function checkInside({ kind, x, y, width, height }: MaskShape, picture: Size): void {
  if (x < picture.width && y < picture.height && x + width > 0 && y + height > 0) return;
  const option = kind === "rectangle" ? "--mask-rect" : "--mask-ellipse";
  throw new UsageError(
    `${option} ${x},${y},${width},${height} lies outside the picture, which is ${picture.width}x${picture.height}.`,
  );
}

function checkPaints(painted: readonly boolean[], marksAnything: boolean): void {
  if (painted.some(Boolean)) return;
  throw new InputImageError(
    marksAnything
      ? "the mask marks less than a pixel of what the stages draw; mark a larger part."
      : "the mask marks nothing to repaint; white is repainted, --invert-mask swaps black and white.",
  );
}

const describeFit = (mask: Size, picture: Size): string =>
  `The mask (${mask.width}x${mask.height}) was fitted to the picture (${picture.width}x${picture.height}).`;

const describeLoss = (stage: number): string =>
  `The mask marks less than a pixel of stage ${stage}, which so repaints nothing.`;

/** Resolves once the parent has it. */
function send(message: InspectionMessage): Promise<void> {
  return new Promise((resolve) => {
    if (!process.send) throw new Error("this file is started by inspect-picture, not by hand");
    process.send(message, undefined, {}, () => resolve());
  });
}
