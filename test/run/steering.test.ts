/** What steers stages, drawn with the built program on the tiny checkpoints; the arithmetic is pipelines/guidance's. */

import { expect, test, vi } from "vitest";
import type { Request } from "../../src/plan/request.ts";
import { draw } from "./draw-tiny.ts";
import { tinyRequest, tinyUntil } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 300_000 }); // each stage is a process

async function pixelsOf(...requests: Request[]): Promise<number[][]> {
  const drawn = await draw(requests, { pixels: true });
  return drawn.map(({ images }) => [...(images[0]?.pixels ?? [])]);
}
const farthest = (a: number[] = [], b: number[] = []): number =>
  a.length === b.length && a.length > 0 ? Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) : Infinity;

test("a positive prompt that is all of the mix draws what it would draw as the prompt", async () => {
  const stage = { steps: 2, scheduler: "ddim" } as const; // DDPM would take the variance of the prompt alone
  const withMixer = (positiveMixer: number): Request => ({
    ...tinyRequest,
    positivePrompt: "a dog",
    stages: { "stage-1": { ...stage, positiveMixer } },
  });
  const [plain, [mixed, half]] = await Promise.all([
    pixelsOf({ ...tinyRequest, prompt: "a dog", stages: { "stage-1": stage } }),
    pixelsOf(withMixer(1), withMixer(0.5)),
  ]);
  expect(farthest(mixed, plain[0])).toBeLessThanOrEqual(1);
  expect(farthest(half, plain[0])).toBeGreaterThan(1);
});

test("what is beyond 77 tokens is left out and said, or drawn in parts", async () => {
  const prompt = `${"a red cat and ".repeat(20)}a blue dog`;
  const [cut] = await draw([{ ...tinyRequest, prompt }], { pixels: true });
  const [whole] = await draw([{ ...tinyRequest, prompt, longPrompt: "concat" }], { pixels: true });
  const isLeftOut = (note: string): boolean => note.includes("was left out");
  expect(cut?.notes.filter(isLeftOut)).toHaveLength(1);
  expect(whole?.notes.filter(isLeftOut)).toEqual([]);
  const [a, b] = [cut, whole].map((job) => [...(job?.images[0]?.pixels ?? [])]);
  expect(farthest(a, b)).toBeGreaterThan(1);
});

test("a negative prompt of a stage takes the place of the request's, there alone", async () => {
  const base = tinyUntil(256);
  const withOwn = (settings: Request["stages"]["stage-2"] & object): Request => ({
    ...base,
    negativePrompt: "red",
    stages: { ...base.stages, "stage-2": { ...base.stages["stage-2"], ...settings } },
  });
  const everywhere = { ...withOwn({ negativePrompt: "red" }), negativePrompt: "" };
  const first = { ...everywhere.stages["stage-1"], negativePrompt: "red" };
  const [plain, split, other] = await Promise.all([
    pixelsOf(withOwn({})),
    pixelsOf({ ...everywhere, stages: { ...everywhere.stages, "stage-1": first } }),
    pixelsOf(withOwn({ negativePrompt: "blue" })),
  ]);
  expect(farthest(split[0], plain[0])).toBeLessThanOrEqual(1);
  expect(farthest(other[0], plain[0])).toBeGreaterThan(1);
});
