/**
 * @module schedulers/noise-levels
 * What DPM-Solver++ and UniPC share: noise levels in λ, and the timesteps that both visit.
 * Letters: α_t, σ_t with x_t = α_t · x_0 + σ_t · noise; λ_t = log(α_t / σ_t), half the log signal-to-noise ratio.
 */

import type { SchedulerConfig } from "./config.ts";
import type { MixingLevel } from "./noise.ts";
import { linspace, roundHalfEven, trailing } from "./timesteps.ts";

const fround = Math.fround;

export interface NoiseLevel extends MixingLevel {
  /** Infinite where no noise is left. */
  readonly lambda: number;
}

/** @returns α, σ and λ from σ/α, each in float32. */
export function levelOf(ratio: number): NoiseLevel {
  const alpha = fround(1 / fround(Math.sqrt(fround(fround(ratio * ratio) + 1))));
  const sigma = fround(ratio * alpha);
  return { alpha, sigma, lambda: fround(fround(Math.log(alpha)) - fround(Math.log(sigma))) };
}

/**
 * Evenly spaced like the other schedulers', but over one step more, whose end is the finished image.
 * @param end timesteps from here on are not visited: numTrainTimesteps or fewer.
 */
export function spacedBeforeEnd(config: SchedulerConfig, end: number, count: number): number[] {
  switch (config.timestepSpacing) {
    case "linspace":
      return linspace(end - 1, count + 1)
        .map(roundHalfEven)
        .toReversed()
        .slice(0, -1);
    case "leading": {
      const ratio = Math.floor(end / (count + 1));
      return Array.from({ length: count }, (_, i) => (count - i) * ratio + config.stepsOffset);
    }
    case "trailing":
      return trailing(end, config.numTrainTimesteps / count, count);
  }
}

/** How many timesteps have λ ≥ lambda_min_clipped: the noisiest of a cosine schedule carry nothing but rounding errors. */
export function usableTimesteps(lambdaMinClipped: number | null, alphasCumprod: Float32Array): number {
  if (lambdaMinClipped === null) return alphasCumprod.length;
  const lambda = (alphaProd: number): number =>
    fround(fround(Math.log(fround(Math.sqrt(alphaProd)))) - fround(Math.log(fround(Math.sqrt(fround(1 - alphaProd))))));
  return alphasCumprod.filter((alphaProd) => lambda(alphaProd) >= lambdaMinClipped).length;
}
