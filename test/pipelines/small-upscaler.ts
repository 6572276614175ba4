/** What tests ask of the small upscaler: 16 to 64 px in two steps. */

import { createGenerator } from "../../src/math/random.ts";
import type { NetworkSettings } from "../../src/networks/open-network.ts";
import type { UpscaleJob, UpscaleOptions } from "../../src/pipelines/upscale.ts";
import { smallModel } from "../small-model.ts";

export const smallUpscaler = (settings: NetworkSettings) =>
  ({
    checkpoint: smallModel("x4-upscaler"),
    images: 1,
    width: 64,
    height: 64,
    selection: { numInferenceSteps: 2 },
    eta: 0,
    guidanceScale: 3,
    noiseLevel: 20,
    settings,
  }) satisfies Partial<UpscaleOptions>;

export const smallUpscaleJob = (seed: number): UpscaleJob => ({
  imagesPerPrompt: 1,
  generator: createGenerator(seed),
  image: async () => Promise.resolve(createGenerator(seed + 10).randn([1, 3, 16, 16])),
});
