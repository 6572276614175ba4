/**
 * @module run/upscaler-options
 * `upscaler` and `upscalerModel`: an ESRGAN in place of the x4 upscaler, or after it.
 */

import { z } from "zod";
import { UsageError } from "../errors.ts";
import { type UpscalerChoice, upscalerChoices } from "../plan/choices.ts";
import type { Request } from "../plan/request.ts";
import { type DiffusionDescription, type DiffusionName, diffusionTable } from "../plan/stages.ts";

export interface UpscalerOptions {
  /** Which upscaler ends the run: the x4 upscaler, an ESRGAN in its place, or both. @default "x4" */
  readonly upscaler?: UpscalerChoice;
  /** Path of the ESRGAN's weights, a safetensors file. */
  readonly upscalerModel?: string;
}

export const upscalerShape = {
  upscaler: z.enum(upscalerChoices).optional(),
  upscalerModel: z.string().min(1).optional(),
} as const;

interface Given {
  readonly upscaler?: UpscalerChoice | undefined;
  readonly upscalerModel?: string | undefined;
  readonly size?: unknown;
}

/** The stage that is the x4 upscaler. */
const x4: DiffusionDescription = diffusionTable.find(({ pipeline }) => pipeline === "upscale")!;
const [beforeX4] = diffusionTable.toReversed().filter(({ side }) => side < x4.side) as [DiffusionDescription];

/** @returns the ESRGAN's file; undefined: there is none. @throws {UsageError} the options do not go together. */
export function upscalerModelOf({ upscaler = "x4", upscalerModel, size }: Given): string | undefined {
  if (upscaler === "x4") {
    if (upscalerModel === undefined) return undefined;
    throw new UsageError("--upscaler-model goes with --upscaler esrgan or, after the x4 upscaler, x4,esrgan.");
  }
  if (upscalerModel === undefined) {
    throw new UsageError(
      `--upscaler ${upscaler} needs --upscaler-model, a .safetensors file of an ESRGAN such as RealESRGAN_x4plus.`,
    );
  }
  if (size === undefined) return upscalerModel;
  throw new UsageError("--size does not go with ESRGAN, whose scale says the size; --aspect-ratio says a shape.");
}

/** The last stage that draws before an ESRGAN. @throws {UsageError} it is the x4 upscaler, and `until` ends before it. */
export function untilWith({ upscaler = "x4" }: Given, until: Request["until"] | undefined): Request["until"] {
  if (upscaler === "esrgan") return Math.min(until ?? x4.side, beforeX4.side) as Request["until"];
  if (upscaler === "x4,esrgan" && until !== undefined && until < x4.side) {
    throw new UsageError(`--until ${until} ends before the x4 upscaler: give --upscaler esrgan, or leave --until out.`);
  }
  return until ?? x4.side;
}

/**
 * Of `upscale`.
 * @param stages those that are named; absent: the x4 upscaler, if an ESRGAN does not take its place.
 * @throws {UsageError} the x4 upscaler is named, and ESRGAN takes its place.
 */
export function stagesWith(
  { upscaler = "x4" }: Given,
  stages: readonly DiffusionName[] | undefined,
): readonly DiffusionName[] | undefined {
  if (upscaler === "x4") return stages;
  if (upscaler === "x4,esrgan") return [...new Set([...(stages ?? []), x4.name])];
  if (stages?.includes(x4.name)) {
    throw new UsageError(
      `${x4.name} is the x4 upscaler, in whose place ESRGAN is: give --upscaler x4,esrgan for both.`,
    );
  }
  return stages ?? [];
}

/** @returns the options that make a request: backwards. */
export function optionsOfUpscaler({
  upscalerModel,
  upscale,
  until,
}: Pick<Request, "upscalerModel" | "upscale" | "until">): UpscalerOptions {
  if (upscalerModel === undefined) return {};
  const hasX4 = upscale ? upscale.stages.includes(x4.name) : until === x4.side;
  return { upscaler: hasX4 ? "x4,esrgan" : "esrgan", upscalerModel };
}
