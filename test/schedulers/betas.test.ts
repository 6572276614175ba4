import { expect, test } from "vitest";
import { createBetas, cumulateAlphas, noiseSigmas } from "../../src/schedulers/betas.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { maxDifference } from "../math/golden-tensors.ts";
import { goldenTables } from "./golden-schedulers.ts";

const betasOf = (overrides: Partial<SchedulerConfig>): Float32Array =>
  createBetas(resolveConfig({ className: "DDPMScheduler", keys: {} }, "DDPMScheduler", overrides));

const recorded = goldenTables();
// Euler and Heun keep theirs in another order
const withSigmas = recorded.filter(({ golden }) => golden.has("sigmas") && golden.shape("sigmas")[0] === 1000);

test("tables of both schedules in use are recorded", () => {
  const schedules = new Set(recorded.map(({ config }) => config.betaSchedule));
  expect(schedules).toEqual(new Set(["squaredcos_cap_v2", "scaled_linear"]));
  expect(withSigmas.length).toBeGreaterThan(0);
});

test.each(recorded)("$name: every beta and alphas_cumprod", ({ config, golden }) => {
  const betas = createBetas(config);
  expect(betas).toEqual(golden.floats("betas"));
  expect(cumulateAlphas(betas)).toEqual(golden.floats("alphas_cumprod"));
});

test.each(withSigmas)("$name: every sigma", ({ config, golden }) => {
  const sigmas = noiseSigmas(cumulateAlphas(createBetas(config)));
  // the reference's square root is one unit off in the last place here and there
  expect(maxDifference(sigmas, golden.floats("sigmas"), Math.abs)).toBeLessThan(1.3e-7);
});

test("linear: torch.linspace(0.0001, 0.02, 1000) in float32", () => {
  const betas = betasOf({ betaSchedule: "linear" });
  expect(betas).toHaveLength(1000);
  const indices = [1, 2, 3, 333, 499, 500, 501, 777, 998];
  expect(indices.map((i) => betas[i])).toEqual([
    0.00011991991777904332, 0.0001398398308083415, 0.00015975975838955492, 0.006733333691954613, 0.010040040127933025,
    0.010059959255158901, 0.010079879313707352, 0.015577777288854122, 0.01998008042573929,
  ]);
  expect(cumulateAlphas(betas)[999]).toBe(4.035830352222547e-5);
});

test("trained betas replace the schedule", () => {
  const trainedBetas = [0.5, 0.25];
  expect([...betasOf({ trainedBetas, betaSchedule: "squaredcos_cap_v2" })]).toEqual(trainedBetas);
});

test("alphas are multiplied, sigma is noise over image", () => {
  const alphas = cumulateAlphas(Float32Array.of(0.5, 0.5, 0.2));
  expect([...alphas]).toEqual([0.5, 0.25, Math.fround(0.2)]);
  expect([...noiseSigmas(alphas)]).toEqual([1, Math.fround(Math.sqrt(3)), 2]);
});
