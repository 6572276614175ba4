/**
 * @module schedulers/names
 * Short names of the schedulers, as k-diffusion's users and diffusers' documentation call them, and the samplers' names in
 * an image's metadata. Without zod: the command line lists them in its help.
 */

import type { SchedulerClassName, SchedulerConfig } from "./config.ts";
import type { CreateSchedulerOptions } from "./create-scheduler.ts";

export interface NamedScheduler extends CreateSchedulerOptions {
  readonly className: SchedulerClassName;
  /** As AUTOMATIC1111's web UI writes it into a PNG. */
  readonly sampler: string;
  /**
   * Space timesteps as the checkpoint's own scheduler does, not as the class does by itself ("linspace", from 999 on):
   * where IF's cosine schedule leaves a 20,000th of an image, a solver's first step leaves its errors as grain.
   */
  readonly keepsSpacing?: true;
}

/** {@link SchedulerConfig.useClippedModelOutput} */
const clipped = { useClippedModelOutput: true } as const;

export const namedSchedulers = {
  ddpm: { className: "DDPMScheduler", sampler: "DDPM" },
  ddim: { className: "DDIMScheduler", overrides: clipped, sampler: "DDIM" },
  "dpm++2m": {
    className: "DPMSolverMultistepScheduler",
    overrides: { algorithmType: "dpmsolver++", solverOrder: 2 },
    sampler: "DPM++ 2M",
  },
  "dpm++2m-sde": {
    className: "DPMSolverMultistepScheduler",
    overrides: { algorithmType: "sde-dpmsolver++", solverOrder: 2 },
    sampler: "DPM++ 2M SDE",
  },
  euler: { className: "EulerDiscreteScheduler", overrides: clipped, keepsSpacing: true, sampler: "Euler" },
  "euler-a": {
    className: "EulerAncestralDiscreteScheduler",
    overrides: clipped,
    keepsSpacing: true,
    sampler: "Euler a",
  },
  heun: { className: "HeunDiscreteScheduler", overrides: clipped, keepsSpacing: true, sampler: "Heun" },
  unipc: { className: "UniPCMultistepScheduler", keepsSpacing: true, sampler: "UniPC" },
} as const satisfies Readonly<Record<string, NamedScheduler>>;

export type SchedulerName = keyof typeof namedSchedulers;

export const schedulerNames = Object.keys(namedSchedulers) as readonly SchedulerName[];

/** @returns are the timesteps of IF's presets meant for it? They were chosen for the original's two loops. */
export const takesPresets = (name: SchedulerName): boolean => name === "ddpm" || name === "ddim";

/**
 * @param config of a scheduler as it runs.
 * @returns the sampler's name in an image's metadata: `DPM++ 2M SDE`.
 */
export function samplerName(
  className: SchedulerClassName,
  { algorithmType }: Pick<SchedulerConfig, "algorithmType">,
): string {
  const ofClass: readonly NamedScheduler[] = Object.values(namedSchedulers).filter(
    (row) => row.className === className,
  );
  const row = ofClass.find(({ overrides }) => overrides?.algorithmType === algorithmType) ?? ofClass[0];
  if (!row) throw new Error(`${className} has no name`);
  return row.sampler;
}
