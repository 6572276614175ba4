/**
 * @module schedulers/betas
 * Noise schedules: how much noise each training timestep adds (β_t), and how much of the image is left (ᾱ_t).
 *
 * All tables are float32, rounded where torch rounds: β is computed in double and stored, 1 - β and the stored product are
 * float32. It matters: at t = 999 of the cosine schedule an all-double product is 1e-5 away.
 * Source: Ho et al. 2020 (arXiv 2006.11239) §2; cosine: Nichol and Dhariwal 2021 (arXiv 2102.09672) eq. 17.
 */

import type { SchedulerConfig } from "./config.ts";

const fround = Math.fround;

/** The largest β of the cosine schedule: without it the last one would be 1 and nothing of the image be left. */
const maxBeta = 0.999;

/** @returns β_t for each training timestep. */
export function createBetas(config: SchedulerConfig): Float32Array {
  const { numTrainTimesteps, betaStart, betaEnd } = config;
  if (config.trainedBetas !== null) return Float32Array.from(config.trainedBetas);
  switch (config.betaSchedule) {
    case "linear":
      return linspace(betaStart, betaEnd, numTrainTimesteps);
    case "scaled_linear":
      return linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), numTrainTimesteps).map((root) => root * root);
    case "squaredcos_cap_v2":
      return cosineBetas(numTrainTimesteps);
  }
}

/** @returns ᾱ_t = Π (1 - β_s) over s ≤ t. */
export function cumulateAlphas(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => (product *= fround(1 - beta)));
}

/** @returns σ_t = sqrt((1 - ᾱ_t) / ᾱ_t): the noise's share over the image's. */
export function noiseSigmas(alphasCumprod: Float32Array): Float32Array {
  return alphasCumprod.map((alpha) => Math.sqrt(fround(fround(1 - alpha) / alpha)));
}

/** ᾱ at t in [0, 1], Nichol and Dhariwal eq. 17. */
function alphaBar(t: number): number {
  return Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
}

function cosineBetas(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), maxBeta),
  );
}

/** Evenly spaced numbers, counted from the nearer end as torch.linspace does in float32. */
function linspace(start: number, end: number, count: number): Float32Array {
  const [first, last] = [fround(start), fround(end)];
  const step = fround(fround(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < count / 2 ? first + step * i : last - step * (count - 1 - i),
  );
}
