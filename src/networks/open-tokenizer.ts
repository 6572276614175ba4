/**
 * @module networks/open-tokenizer
 * A checkpoint's `tokenizer/`, checked against the network that takes its ids.
 */

import { join } from "node:path";
import { readClipTextConfig } from "../models/clip-text.ts";
import { readT5EncoderConfig } from "../models/t5-encoder.ts";
import { createClipTokenizer } from "../tokenizers/clip-tokenizer.ts";
import { createT5Tokenizer } from "../tokenizers/t5-tokenizer.ts";
import { checkSameWidth } from "./description.ts";

/** @throws {CheckpointError} a file is missing or not understood, or the tokenizer knows more ids than T5 has rows. */
export async function openT5Tokenizer(checkpoint: string): ReturnType<typeof createT5Tokenizer> {
  const folder = join(checkpoint, "tokenizer");
  const tokenizer = await createT5Tokenizer(folder);
  const { vocab_size: rows } = await readT5EncoderConfig(join(checkpoint, "text_encoder"));
  if (tokenizer.vocabSize > rows) checkSameWidth(folder, tokenizer.vocabSize, "the text encoder's table", rows);
  return tokenizer;
}

/** As openT5Tokenizer, for CLIP's. */
export async function openClipTokenizer(checkpoint: string): ReturnType<typeof createClipTokenizer> {
  const folder = join(checkpoint, "tokenizer");
  const tokenizer = await createClipTokenizer(folder);
  const { vocab_size: rows } = await readClipTextConfig(join(checkpoint, "text_encoder"));
  if (tokenizer.vocabSize > rows) checkSameWidth(folder, tokenizer.vocabSize, "the text encoder's table", rows);
  return tokenizer;
}
