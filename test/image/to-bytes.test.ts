import { expect, test } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import type { RgbImage } from "../../src/image/pixels.ts";
import { denormalize, imagesFromSample, imagesFromUnit } from "../../src/image/to-bytes.ts";
import { tensor, zeros } from "../../src/math/tensor.ts";
import { stored, storedTensor } from "./golden-image.ts";

function bytesOf(images: readonly RgbImage[]): number[] {
  return images.flatMap((image) => [...image.data]);
}

test("numpy_to_pil, with halves to be rounded to even", () => {
  const { data, shape } = stored("to_bytes.unit.in"); // (B, H, W, C)
  const [batch, height, width] = shape as [number, number, number];
  const area = height * width;
  const planar = Float32Array.from(
    data,
    (_, i) => data[Math.trunc(i / (3 * area)) * 3 * area + (i % area) * 3 + (Math.trunc(i / area) % 3)]!,
  );
  const images = imagesFromUnit(tensor(planar, [batch, 3, height, width]));
  expect(images).toHaveLength(batch);
  expect([images[0]!.width, images[0]!.height]).toEqual([width, height]);
  expect(bytesOf(images)).toEqual([...stored("to_bytes.unit").data]);
});

test.each(["to_bytes.signed", "to_bytes.x4_pil"])("pt_to_pil and the upscaler's postprocess: %s", (key) => {
  expect(bytesOf(imagesFromSample(storedTensor("to_bytes.signed.in")))).toEqual([...stored(key).data]);
});

test("the upscaler's postprocess to a tensor", () => {
  expect(denormalize(storedTensor("to_bytes.signed.in")).data).toEqual(storedTensor("to_bytes.x4_pt").data);
});

test("an image that is not to be denormalised", () => {
  const clamped = storedTensor("to_bytes.signed.in").data.map((value) => Math.min(1, Math.max(0, value)));
  const half = clamped.length / 2;
  const [first, second] = [clamped.slice(0, half), clamped.slice(half)].map((data) => tensor(data, [1, 3, 6, 7]));
  const images = [...imagesFromSample(first!), ...imagesFromUnit(second!)];
  expect(bytesOf(images)).toEqual([...stored("to_bytes.x4_pil_second_not_denormalised").data]);
});

test("only images of three colours are taken", () => {
  expect(() => imagesFromSample(zeros([1, 6, 4, 4]))).toThrow(ShapeError);
  expect(() => imagesFromSample(zeros([3, 4, 4]))).toThrow(ShapeError);
});
