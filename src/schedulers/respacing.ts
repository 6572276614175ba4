/**
 * @module schedulers/respacing
 * The respacing language of the original deep-floyd/IF: which of the 1000 training timesteps a run visits, as text.
 *
 * Source: what `space_timesteps` of deepfloyd_if 1.0.1 gives for `sample_timestep_respacing`; sections and strides as in
 * Nichol and Dhariwal 2021 (arXiv 2102.09672) §4.
 */

import { UsageError } from "../errors.ts";
import { presetTimesteps, respacedTrainTimesteps, sectionTimesteps, timestepPresets } from "./timesteps.ts";

const forms = `a preset (${timestepPresets.join(", ")}), a number of steps, ddimN, or steps per section (10,10,3,2,2)`;

/**
 * @param text a preset's name; `N`, that many from 0 to 999; `ddimN`, every k-th where some whole k gives N of them; or
 *             steps in equally long sections, from clean to noisy, separated by commas: `20,20,20,20,10,0,0,0,0,0`.
 * @returns descending, at least one. Other than a scheduler's own spacing: `N` reaches both ends.
 * @throws {UsageError} another text, no step at all, or more steps than timesteps.
 */
export function respacedTimesteps(text: string): number[] {
  const preset = timestepPresets.find((name) => name === text);
  if (preset !== undefined) return presetTimesteps(preset);
  const ddim = /^ddim(\d+)$/.exec(text)?.[1];
  if (ddim !== undefined) return stridedTimesteps(Number(ddim));
  const sections = text.split(",");
  if (!sections.every((part) => /^\s*\d+\s*$/.test(part))) {
    throw new UsageError(`"${text}" is no respacing: give ${forms}.`);
  }
  return checkedSections(sections.map(Number), text);
}

/** Every k-th timestep from 0 on, for the smallest k that gives `count` of them. */
function stridedTimesteps(count: number): number[] {
  for (let stride = 1; stride < respacedTrainTimesteps; stride++) {
    if (Math.ceil(respacedTrainTimesteps / stride) !== count) continue;
    return Array.from({ length: count }, (_, i) => (count - 1 - i) * stride);
  }
  throw new UsageError(`ddim${count}: no whole stride gives ${count} of ${respacedTrainTimesteps} timesteps.`);
}

function checkedSections(counts: readonly number[], text: string): number[] {
  const timesteps = sectionTimesteps(counts);
  if (timesteps.length === 0) throw new UsageError(`"${text}" leaves no step: give ${forms}.`);
  return timesteps;
}
