/**
 * @module plan/embeds-file
 * `--prompt-embeds`: where T5's embeddings lie that a run is given in place of T5. One file with `prompt_embeds` and
 * `negative_prompt_embeds`, as `--save-embeds` and diffusers' names have them, or the first alone with the other in a file of its own name
 * beside it, as run folders and `--save-stages` keep them. Only headers are read here.
 */

import { dirname, join } from "node:path";
import { CheckpointError, UsageError } from "../errors.ts";
import { readSafetensorsHeader } from "../weights/safetensors.ts";
import type { TensorEntry } from "../weights/safetensors-header.ts";

export const embedNames = ["prompt_embeds", "negative_prompt_embeds"] as const;
export type EmbedName = (typeof embedNames)[number];

export interface FoundEmbeds {
  readonly path: string;
  /** [1, L, D] of floats. */
  readonly entry: TensorEntry;
}

/** Tokens of a part of a prompt: what IF was trained with. */
const PART_LENGTH = 77;
const floats = ["F32", "F16", "BF16", "F64"];

/** @throws {UsageError} the file cannot be read, lacks one of the two, or they are no embeddings of one text each. */
export async function findEmbeds(path: string): Promise<Readonly<Record<EmbedName, FoundEmbeds>>> {
  const prompt = await findIn(path, "prompt_embeds");
  if (!prompt) throw new UsageError(`--prompt-embeds ${path}: it holds no prompt_embeds.`);
  const beside = join(dirname(path), "negative_prompt_embeds.safetensors");
  const negative = (await findIn(path, "negative_prompt_embeds")) ?? (await findIn(beside, "negative_prompt_embeds"));
  if (!negative) {
    throw new UsageError(
      `--prompt-embeds ${path}: it holds no negative_prompt_embeds, and there is no ${beside}; guidance needs them.`,
    );
  }
  const [shape, other] = [prompt.entry.shape, negative.entry.shape];
  if (shape.join() !== other.join()) {
    throw new UsageError(
      `--prompt-embeds ${path}: prompt_embeds is [${shape.join(", ")}] and negative_prompt_embeds [${other.join(", ")}]; both are of one shape.`,
    );
  }
  return { prompt_embeds: prompt, negative_prompt_embeds: negative };
}

/** @returns undefined: there is no such tensor, or beside the file no such file. */
async function findIn(path: string, name: EmbedName): Promise<FoundEmbeds | undefined> {
  const entry = (await readHeader(path, name))?.get(name);
  if (!entry) return undefined;
  const { dtype, shape } = entry;
  const [texts, length = 0] = shape;
  if (!floats.includes(dtype)) {
    throw new UsageError(`--prompt-embeds ${path}: ${name} holds ${dtype}, but embeddings are floats.`);
  }
  if (shape.length !== 3 || texts !== 1 || length === 0 || length % PART_LENGTH !== 0) {
    throw new UsageError(
      `--prompt-embeds ${path}: ${name} is [${shape.join(", ")}], but one text's is [1, ${PART_LENGTH}, width].`,
    );
  }
  return { path, entry };
}

async function readHeader(path: string, name: EmbedName): Promise<ReadonlyMap<string, TensorEntry> | undefined> {
  try {
    return (await readSafetensorsHeader(path)).tensors;
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) throw cause;
    if (name === "negative_prompt_embeds") return undefined;
    throw new UsageError(`--prompt-embeds ${path}: ${cause.message}`, { cause });
  }
}

/** @returns of how many parts of 77 tokens the embeddings are, and how wide. */
export function sizeOfEmbeds({ prompt_embeds: { entry } }: Readonly<Record<EmbedName, FoundEmbeds>>): {
  readonly parts: number;
  readonly width: number;
} {
  const [, length = 0, width = 0] = entry.shape;
  return { parts: length / PART_LENGTH, width };
}
