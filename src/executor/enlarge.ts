/**
 * @module executor/enlarge
 * The work of a stage that enlarges in one pass: each image of each job, tile by tile where it is large.
 */

import { concatBatch, sliceBatch } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import type { NetworkSettings } from "../networks/open-network.ts";
import { tileCount } from "../pipelines/blended-tiles.ts";
import { withEsrgan } from "../pipelines/esrgan.ts";
import type { SinglePassStage } from "../plan/plan.ts";
import { finishJob } from "./finish-job.ts";
import { readUnitImages } from "./low-resolution.ts";
import type { StageTask } from "./protocol.ts";
import type { StageContext } from "./run-stage.ts";

export async function enlarge(
  { numImages, warmsUp }: StageTask,
  stage: SinglePassStage,
  settings: NetworkSettings,
  { jobs, report, onLoaded }: StageContext,
): Promise<void> {
  const { checkpoint: file, width, height } = stage;
  const tiles = stage.tiles ? { tiles: stage.tiles } : {};
  const each = stage.tiles ? tileCount(stage, stage.tiles) : 1;
  const what = each > 1 ? `enlarging in ${each} tiles` : "enlarging";
  await withEsrgan({ file, width, height, ...tiles, settings, warmUp: warmsUp ?? false, onLoaded }, async (run) => {
    for (const job of await jobs()) {
      const images = await readUnitImages(stage, job, numImages);
      const told = (step: number): void =>
        report({ type: "progress", job: job.index, step, steps: each * numImages, what });
      told(0);
      const drawn: Tensor[] = [];
      for (let image = 0; image < numImages; image++) {
        const done = each * image;
        drawn.push(clamped(await run(sliceBatch(images, image, image + 1), (tile) => told(done + tile))));
        if (each === 1) told(done + 1);
      }
      await finishJob(stage, job, undefined, drawn.length === 1 ? drawn[0]! : concatBatch(drawn), report);
    }
  });
}

const clamped = ({ data, shape }: Tensor): Tensor => ({
  data: data.map((value) => Math.min(1, Math.max(0, value))),
  shape,
});
