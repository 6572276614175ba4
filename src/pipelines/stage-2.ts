/**
 * @module pipelines/stage-2
 * Pictures of 64 pixels -> 256: IFSuperResolutionPipeline, IFImg2ImgSuperResolutionPipeline and
 * IFInpaintingSuperResolutionPipeline. The small picture, enlarged and with some noise on it (noise level: a timestep of
 * the image_noising_scheduler), is joined to the sample as three further channels.
 *
 * Letters: N pictures = prompts · pictures per prompt, L tokens, D width of T5, H and W sides.
 */

import { join } from "node:path";
import { repeatInterleave } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import { interpolateBilinear } from "../image/interpolate.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { openScheduler, withIfUnet } from "../networks/components.ts";
import { denoise } from "./denoise.ts";
import { drawNoise } from "../schedulers/noise.ts";
import { type IfStageOptions, networkEmbeds } from "./stage-1.ts";
import { startSample } from "./start.ts";

export interface Stage2Options extends IfStageOptions {
  /** What stage 1 drew, (prompts, 3, h, w) in about [-1, 1]. */
  readonly image: Tensor;
  /** A timestep of the image_noising_scheduler. */
  readonly noiseLevel: number;
}

/** @returns (N, 3, H, W), about [-1, 1], not clamped. */
export async function runStage2(options: Stage2Options): Promise<Tensor> {
  const { checkpoint, imagesPerPrompt, guidanceScale, generator, eta, noiseLevel } = options;
  const config = await readIfUnetConfig(join(checkpoint, "unet"));
  const scheduler = await openScheduler(checkpoint, "scheduler", options.scheduler);
  const noising = await openScheduler(checkpoint, "image_noising_scheduler");
  const embeds = networkEmbeds(options, config.encoder_hid_dim);
  const started = startSample(options.start, {
    scheduler,
    selection: options.selection,
    prompts: options.promptEmbeds.shape[0] ?? 0,
    imagesPerPrompt,
    channels: config.in_channels / 2,
    generator,
  });
  const [, , height = 0, width = 0] = started.sample.shape;
  const enlarged = interpolateBilinear(repeatInterleave(options.image, imagesPerPrompt), height, width);
  const conditioning = noising.addNoise(enlarged, drawNoise(enlarged.shape, generator), [noiseLevel]);
  const [batch = 0, textLength = 0] = embeds.shape;
  return withIfUnet(checkpoint, { batch, height, width, textLength }, options.settings, (network) =>
    denoise({
      ...started,
      scheduler,
      conditioning,
      guidanceScale,
      eta,
      generator,
      predict: (modelInput, timestep) =>
        network({
          sample: modelInput.data,
          timestep: new Float32Array(batch).fill(timestep),
          encoder_hidden_states: embeds.data,
          class_labels: new Float32Array(batch).fill(noiseLevel),
        }),
      ...(options.onStep ? { onStep: options.onStep } : {}),
    }),
  );
}
