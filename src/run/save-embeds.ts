/**
 * @module run/save-embeds
 * `--save-embeds`: a job's embeddings as one safetensors file, with what they are of and whose T5 made them.
 */

import { join, resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { draftBeside } from "../files/draft.ts";
import { takesText } from "../plan/drawn-stages.ts";
import { embedNames } from "../plan/embeds-file.ts";
import type { Plan } from "../plan/plan.ts";
import type { Request } from "../plan/request.ts";
import { readSafetensorsHeader, readTensorAsFloat32, writeSafetensors } from "../weights/safetensors.ts";
import { rm } from "node:fs/promises";
import { placeOutput } from "./outputs.ts";

/** @throws {UsageError} no stage of the run takes T5's embeddings. */
export function checkSavesEmbeds(request: Request): void {
  if (request.morePrompts)
    throw new UsageError("--save-embeds keeps one prompt's embeddings: leave --more-prompts out.");
  if (takesText(request)) return;
  throw new UsageError("--save-embeds keeps T5's embeddings, but no stage of this run takes them: leave it out.");
}

/**
 * Of a positive prompt and of stages' own negative ones, which are further rows, nothing is kept.
 * @param folder the job's. @param job its place in the plan.
 * @throws {OutputError} the file cannot be written.
 */
export async function saveEmbeds(
  folder: string,
  target: string,
  plan: Plan,
  job: number,
  overwrite: boolean,
): Promise<void> {
  const tensors = new Map<string, { dtype: "F32"; shape: number[]; data: Float32Array<ArrayBuffer> }>();
  for (const name of embedNames) {
    const { path, tensors: found } = await readSafetensorsHeader(join(folder, `${name}.safetensors`));
    const entry = found.get(name)!;
    const [, length = 0, width = 0] = entry.shape;
    const data = (await readTensorAsFloat32(path, entry)).slice(0, length * width);
    tensors.set(name, { dtype: "F32", shape: [1, length, width], data });
  }
  const draft = draftBeside(resolve(target));
  try {
    await writeSafetensors(draft, tensors, metadataOf(plan, job));
    await placeOutput(draft, target, overwrite);
  } finally {
    await rm(draft, { force: true });
  }
}

function metadataOf({ stages, version, variant, textEncoder, jobs }: Plan, job: number): Map<string, string> {
  const stage = stages.find(({ kind }) => kind === "text");
  const { prompt = "", negativePrompt = "" } = jobs[job] ?? {};
  const isGiven = stage?.kind === "text" && stage.readsEmbeds;
  const encoder = {
    text_encoder: identityOf(stage?.checkpoint ?? ""),
    ...(variant === undefined ? {} : { variant }),
    ...(textEncoder
      ? { text_encoder_bits: String(textEncoder.bits), text_encoder_activations: textEncoder.activations }
      : {}),
  };
  return new Map(
    Object.entries({
      format: "pt",
      prompt,
      negative_prompt: negativePrompt,
      clean_caption: String(stage?.kind === "text" && stage.cleanCaption),
      ...(isGiven ? {} : encoder),
      software: `if-gen ${version}`,
    }),
  );
}

/** `organisation/name@commit` of a snapshot in the Hub's cache, else the folder's own name: no path of a machine. */
export function identityOf(checkpoint: string): string {
  const parts = checkpoint.split(/[\\/]/).filter((part) => part !== "");
  const at = parts.lastIndexOf("snapshots");
  const repo = parts[at - 1];
  if (at > 0 && repo?.startsWith("models--")) {
    return `${repo.slice("models--".length).replaceAll("--", "/")}@${parts[at + 1] ?? ""}`;
  }
  return parts.slice(-2).join("/");
}
