/**
 * @module schedulers/names
 * Short names of the schedulers, as k-diffusion's users and diffusers' documentation call them.
 */

import type { CreateSchedulerOptions } from "./create-scheduler.ts";

const named = {
  ddpm: { className: "DDPMScheduler" },
  ddim: { className: "DDIMScheduler" },
  "dpm++2m": {
    className: "DPMSolverMultistepScheduler",
    overrides: { algorithmType: "dpmsolver++", solverOrder: 2 },
  },
  "dpm++2m-sde": {
    className: "DPMSolverMultistepScheduler",
    overrides: { algorithmType: "sde-dpmsolver++", solverOrder: 2 },
  },
  euler: { className: "EulerDiscreteScheduler" },
  "euler-a": { className: "EulerAncestralDiscreteScheduler" },
  heun: { className: "HeunDiscreteScheduler" },
  unipc: { className: "UniPCMultistepScheduler" },
} as const satisfies Readonly<Record<string, CreateSchedulerOptions>>;

export type SchedulerName = keyof typeof named;

export const schedulerNames = Object.keys(named) as readonly SchedulerName[];

/** @returns what `createScheduler` takes; a checkpoint's own keys (thresholding, learned variance, ...) stay in force. */
export function schedulerOptions(name: SchedulerName): CreateSchedulerOptions {
  return named[name];
}
