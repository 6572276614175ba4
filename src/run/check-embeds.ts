/**
 * @module run/check-embeds
 * Given embeddings against the stages that take them, while a run is planned.
 */

import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { readIfUnetConfig } from "../models/if-unet-config.ts";
import { findEmbeds, sizeOfEmbeds } from "../plan/embeds-file.ts";
import type { Checkpoints } from "../plan/read-checkpoints.ts";
import type { Request } from "../plan/request.ts";

/**
 * @returns of how many parts of 77 tokens they are.
 * @throws {UsageError} they cannot be read, are not as wide as the stages take them, or words are given that T5 would have to encode.
 */
export async function checkEmbeds(path: string, request: Request, { diffusion }: Checkpoints): Promise<number> {
  const [worded] = diffusion.filter(({ stage: { name, pixels } }) => pixels && request.stages[name]?.negativePrompt);
  const [added] = (["positivePrompt", "style"] as const).filter((name) => request[name] !== undefined);
  if (added !== undefined || worded) {
    const option = worded
      ? `--${worded.stage.name}-negative-prompt`
      : added === "style"
        ? "--style"
        : "--positive-prompt";
    throw new UsageError(`${option} is encoded by T5, which --prompt-embeds leaves out: give one of them.`);
  }
  if (request.morePrompts) {
    throw new UsageError("--prompt-embeds are of one prompt: leave --more-prompts out.");
  }
  const taking = diffusion.filter(({ stage }) => stage.pixels);
  if (taking.length === 0) {
    throw new UsageError("--prompt-embeds are T5's embeddings, but no stage of this run takes them: leave it out.");
  }
  const { parts, width } = sizeOfEmbeds(await findEmbeds(path));
  for (const { stage, folder } of taking) {
    const { encoder_hid_dim: taken } = await readIfUnetConfig(join(folder, "unet"));
    if (width === taken) continue;
    throw new UsageError(
      `--prompt-embeds ${path}: its embeddings are ${width} wide, but ${stage.label} of ${request.model} takes ${taken}.`,
    );
  }
  return parts;
}
