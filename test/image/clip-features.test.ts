import { describe, expect, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import {
  defaultClipFeatureConfig,
  extractClipFeatures,
  parseClipFeatureConfig,
} from "../../src/image/clip-features.ts";
import { cases, expectedTensor, golden, largestDifference, imageOf } from "./golden-image.ts";

/** As the checkpoints of IF carry it, but for the sizes. */
function preprocessorConfig(side: number) {
  return {
    crop_size: { height: side, width: side },
    do_center_crop: true,
    do_convert_rgb: true,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    resample: 3,
    rescale_factor: 0.00392156862745098,
    size: { shortest_edge: side },
  };
}

const { fround } = Math;

test.each(cases(golden.features))("$key", async ({ key, picture, extractor, shape }) => {
  const config = parseClipFeatureConfig(preprocessorConfig(extractor === "real" ? 224 : 28));
  const result = extractClipFeatures(await imageOf(picture!), config);
  const scale = (byte: number, channel: number) =>
    fround(fround(byte / 255) - fround(config.imageMean[channel]!)) / fround(config.imageStd[channel]!);
  expect(result.shape).toEqual(shape);
  expect(largestDifference(result.data, expectedTensor(key, scale).data)).toBeLessThanOrEqual(1e-6);
});

test("a checkpoint without a feature_extractor has the published one's settings", () => {
  expect(defaultClipFeatureConfig).toEqual(parseClipFeatureConfig(preprocessorConfig(224)));
});

describe("preprocessor_config.json", () => {
  test("sizes may be single numbers, as older files have them", () => {
    const parsed = parseClipFeatureConfig({ ...preprocessorConfig(28), size: 32, crop_size: 28 });
    expect(parsed).toMatchObject({ shortestEdge: 32, cropHeight: 28, cropWidth: 28 });
  });

  test.each([
    ["not an object", []],
    ["no mean", { ...preprocessorConfig(28), image_mean: undefined }],
    ["another filter", { ...preprocessorConfig(28), resample: 2 }],
    ["a step switched off", { ...preprocessorConfig(28), do_center_crop: false }],
    ["a crop larger than the image", { ...preprocessorConfig(28), size: 20 }],
  ])("refuses %s", (_, json) => {
    expect(() => parseClipFeatureConfig(json)).toThrow(CheckpointError);
  });
});
