/**
 * @module pipelines/stage-2
 * Images of 64 pixels -> 256: IFSuperResolutionPipeline, IFImg2ImgSuperResolutionPipeline and
 * IFInpaintingSuperResolutionPipeline. The small image, enlarged and with some noise on it (noise level: a timestep of
 * the image_noising_scheduler), is joined to the sample as three further channels.
 */

import { interpolateBilinear } from "../image/interpolate.ts";
import { repeatInterleave } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import { drawNoise } from "../schedulers/noise.ts";
import { type Draw, type IfJob, type IfStageOptions, withIfStage } from "./if-stage.ts";

export interface Stage2Options extends IfStageOptions {
  /** A timestep of the image_noising_scheduler. */
  readonly noiseLevel: number;
}

export interface Stage2Job extends IfJob {
  /** What stage 1 drew, (prompts, 3, h, w) in about [-1, 1]. */
  readonly image: Tensor;
}

/** As withIfStage. */
export async function withStage2<T>(options: Stage2Options, use: (draw: Draw<Stage2Job>) => Promise<T>): Promise<T> {
  const { checkpoint, noiseLevel } = options;
  const noising = await openScheduler(checkpoint, "image_noising_scheduler");
  return withIfStage(options, use, {
    noiseLevel,
    condition: ({ image, imagesPerPrompt, generator }, [, , height = 0, width = 0]) => {
      const enlarged = interpolateBilinear(repeatInterleave(image, imagesPerPrompt), height, width);
      return noising.addNoise(enlarged, drawNoise(enlarged.shape, generator), [noiseLevel]);
    },
  });
}
