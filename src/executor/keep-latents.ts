/**
 * @module executor/keep-latents
 * `--save-latents`: each step's sample as a safetensors file, written whole before the next step begins.
 */

import type { Tensor } from "../math/tensor.ts";
import type { OnStep } from "../pipelines/denoise.ts";
import type { DiffusionStage } from "../plan/plan.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import type { TaskJob } from "./protocol.ts";

/** The name of the one tensor in a file: x_t after the step, (images, C, H, W), pixels of IF and latents of the upscaler. */
const SAMPLE = "sample";

/** @returns `report`, which is told of each step once its sample is kept; itself where none is to be kept. */
export function keepingLatents<Report extends { readonly onStep: OnStep }>(
  { name }: DiffusionStage,
  { latents, seed }: Pick<TaskJob, "latents" | "seed">,
  report: Report,
): Report {
  if (latents === undefined) return report;
  const onStep: OnStep = async (event) => {
    const { step, steps, timestep, sample } = event;
    const metadata = { stage: name, step, steps, timestep, seed };
    await writeSample(`${latents}${name}-step-${String(step).padStart(3, "0")}.safetensors`, sample, metadata);
    await report.onStep(event);
  };
  return { ...report, onStep };
}

const writeSample = (
  path: string,
  { data, shape }: Tensor,
  metadata: Readonly<Record<string, string | number>>,
): Promise<void> =>
  writeSafetensors(
    path,
    new Map([[SAMPLE, { dtype: "F32", shape, data: data as Float32Array<ArrayBuffer> }]]),
    new Map(Object.entries(metadata).map(([key, value]) => [key, String(value)])),
  );
