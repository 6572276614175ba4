/**
 * @module pipelines/stage-1
 * Text (and a start image, and a mask) -> images of 64 pixels: IFPipeline, IFImg2ImgPipeline, IFInpaintingPipeline.
 */

import { type Draw, type IfJob, type IfStageOptions, withIfStage } from "./if-stage.ts";

/** As withIfStage. */
export const withStage1 = <T>(options: IfStageOptions, use: (draw: Draw<IfJob>) => Promise<T>): Promise<T> =>
  withIfStage(options, use);
