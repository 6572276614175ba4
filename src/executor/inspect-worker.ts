/**
 * @module executor/inspect-worker
 * The child of inspect-image: reads the image and its mask, says what they are, ends.
 */

import { InputImageError, UsageError } from "../errors.ts";
import { composeMask } from "../image/mask.ts";
import { preprocessMaskTo } from "../image/preprocess.ts";
import type { GrayImage } from "../image/pixels.ts";
import { readImage } from "../image/read-image.ts";
import type { MaskRequest, MaskShape } from "../plan/request.ts";
import { type Size, checkAspectRatio, stageSize } from "../plan/stage-size.ts";
import { type Inspection, type InspectionJob, type InspectionMessage, inspectionJob } from "./inspection.ts";
import { isTensorFile, readImageTensor } from "./image-tensor.ts";
import { serve } from "./serve.ts";
import { readMaskFile } from "./start-image.ts";

serve<InspectionMessage>(async (task, { send }) => {
  await send({ type: "result", ...(await inspect(inspectionJob.parse(task))) });
});

async function inspect(job: InspectionJob): Promise<Inspection> {
  const { width, height, images, notes } = await inspectFile(job.image);
  checkAspectRatio({ width, height });
  const ofMask = job.mask ? await inspectMask(job.mask, job.image, { width, height }, job.stages) : [];
  return { width, height, images, notes: [...notes, ...ofMask] };
}

async function inspectFile(path: string): Promise<Inspection> {
  if (!isTensorFile(path)) {
    const { width, height, notes } = await readImage(path);
    return { images: 1, width, height, notes: [...notes] };
  }
  const [images = 0, , height = 0, width = 0] = (await readImageTensor(path)).shape;
  return { images, width, height, notes: [] };
}

async function inspectMask(
  request: MaskRequest,
  imagePath: string,
  image: Size,
  stages: InspectionJob["stages"],
): Promise<string[]> {
  for (const shape of request.shapes) checkInside(shape, image);
  const common = await openMask(request, imagePath, image);
  const openMasks = new Map<MaskRequest, OpenMask>();
  for (const { mask } of stages) if (mask) openMasks.set(mask, await openMask(mask, imagePath, image));
  const painted = stages.map(({ grid, mask }) => {
    const { width, height } = stageSize(image, grid);
    const { mask: drawn } = (mask && openMasks.get(mask)) ?? common;
    return preprocessMaskTo(drawn, width, height).data.some((value) => value > 0);
  });
  checkPaints(
    painted,
    [common, ...openMasks.values()].some(({ mask }) => mask.data.some((value) => value > 127)),
  );
  return [
    ...[common, ...openMasks.values()].flatMap(({ notes }) => notes),
    ...painted.flatMap((paints, index) => (paints ? [] : [describeLoss(stages[index]?.label ?? "")])),
  ];
}

interface OpenMask {
  readonly mask: GrayImage;
  readonly notes: readonly string[];
}

async function openMask(request: MaskRequest, imagePath: string, image: Size): Promise<OpenMask> {
  const file = await readMaskFile(request, imagePath);
  const fits = !file || (file.width === image.width && file.height === image.height);
  const notes = [...(file?.notes ?? []), ...(fits ? [] : [describeFit(file, image)])];
  return { mask: composeMask(file, request, image), notes };
}

function checkInside({ kind, x, y, width, height }: MaskShape, image: Size): void {
  if (x < image.width && y < image.height && x + width > 0 && y + height > 0) return;
  const option = kind === "rectangle" ? "--mask-rect" : "--mask-ellipse";
  throw new UsageError(
    `${option} ${x},${y},${width},${height} lies outside the image, which is ${image.width}x${image.height}.`,
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

const describeFit = (mask: Size, image: Size): string =>
  `The mask (${mask.width}x${mask.height}) was fitted to the image (${image.width}x${image.height}).`;

const describeLoss = (stage: string): string =>
  `The mask marks less than a pixel of ${stage}, which so repaints nothing.`;
