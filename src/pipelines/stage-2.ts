/**
 * @module pipelines/stage-2
 * Images of 64 pixels -> 256: IFSuperResolutionPipeline, IFImg2ImgSuperResolutionPipeline and
 * IFInpaintingSuperResolutionPipeline. The small image, enlarged and with some noise on it (noise level: a timestep of
 * the image_noising_scheduler), is joined to the sample as three further channels.
 *
 * Letters: N images = prompts · images per prompt, L tokens, D width of T5, H and W sides.
 */

import { join } from "node:path";
import { interpolateBilinear } from "../image/interpolate.ts";
import { repeatInterleave } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { describeIfUnet } from "../networks/if-unet.ts";
import { withNetwork } from "../networks/open-network.ts";
import { warmUp } from "../networks/warm-up.ts";
import { drawNoise } from "../schedulers/noise.ts";
import { denoise } from "./denoise.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import { type Draw, type IfJob, type IfStageOptions, networkEmbeds } from "./stage-1.ts";
import { startSample } from "./start.ts";

export interface Stage2Options extends IfStageOptions {
  /** A timestep of the image_noising_scheduler. */
  readonly noiseLevel: number;
}

export interface Stage2Job extends IfJob {
  /** What stage 1 drew, (prompts, 3, h, w) in about [-1, 1]. */
  readonly image: Tensor;
}

/** As withStage1. */
export async function withStage2<T>(options: Stage2Options, use: (draw: Draw<Stage2Job>) => Promise<T>): Promise<T> {
  const { checkpoint, guidanceScale, eta, selection, noiseLevel } = options;
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const noising = await openScheduler(checkpoint, "image_noising_scheduler");
  const description = await describeIfUnet(checkpoint, options);
  return withNetwork(description, options.settings, async (network) => {
    if (options.warmUp) await warmUp(network, description);
    return use(async ({ generator, onStep, image, ...job }) => {
      const scheduler = await openScheduler(checkpoint, "scheduler", options.scheduler);
      const embeds = networkEmbeds(checkpoint, guidanceScale, job, config.encoder_hid_dim);
      const started = startSample(job.start, {
        scheduler,
        selection,
        prompts: job.promptEmbeds.shape[0] ?? 0,
        imagesPerPrompt: job.imagesPerPrompt,
        channels: config.in_channels / 2,
        generator,
      });
      const [, , height = 0, width = 0] = started.sample.shape;
      const enlarged = interpolateBilinear(repeatInterleave(image, job.imagesPerPrompt), height, width);
      const conditioning = noising.addNoise(enlarged, drawNoise(enlarged.shape, generator), [noiseLevel]);
      return denoise({
        ...started,
        scheduler,
        conditioning,
        guidanceScale,
        eta,
        generator,
        predict: (modelInput, timestep) =>
          network({
            sample: modelInput.data,
            timestep: new Float32Array(description.batch).fill(timestep),
            encoder_hidden_states: embeds.data,
            class_labels: new Float32Array(description.batch).fill(noiseLevel),
          }),
        ...(onStep ? { onStep } : {}),
      });
    });
  });
}
