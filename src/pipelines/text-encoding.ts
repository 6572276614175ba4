/**
 * @module pipelines/text-encoding
 * Prompts -> T5 embeddings, as IFPipeline.encode_prompt gives them (diffusers, pipeline_if.py).
 *
 * Letters: P prompts, L tokens (77: what IF was trained with), D width of T5.
 */

import { join } from "node:path";
import { sliceBatch } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import { preprocessCaption } from "../tokenizers/clean-caption.ts";
import { createT5Tokenizer } from "../tokenizers/t5-tokenizer.ts";
import type { Tokenized } from "../tokenizers/text-tokenizer.ts";
import { readT5EncoderConfig } from "../models/t5-encoder.ts";
import { type NetworkSettings, checkSameWidth, withT5Encoder } from "../networks/components.ts";

export const TEXT_LENGTH = 77;

export interface TextEncodingOptions {
  /** A checkpoint with `tokenizer/` and `text_encoder/`. */
  readonly checkpoint: string;
  readonly prompts: readonly string[];
  /** One per prompt; "" where none is wanted. */
  readonly negativePrompts: readonly string[];
  /** IF's caption cleaning; without it a prompt is only lower-cased and trimmed. */
  readonly cleanCaption: boolean;
  readonly settings: NetworkSettings;
}

export interface EncodedText {
  readonly promptEmbeds: Tensor; // (P, L, D)
  readonly negativePromptEmbeds: Tensor; // (P, L, D)
  /** What was tokenized, and what of it did not fit into L tokens. */
  readonly prompts: readonly EncodedPrompt[];
  readonly negativePrompts: readonly EncodedPrompt[];
}

export interface EncodedPrompt extends Tokenized {
  readonly preprocessed: string;
}

export async function encodeText(options: TextEncodingOptions): Promise<EncodedText> {
  const { checkpoint, prompts, negativePrompts, cleanCaption, settings } = options;
  const folder = join(checkpoint, "tokenizer");
  const tokenizer = await createT5Tokenizer(folder);
  const { vocab_size: rows } = await readT5EncoderConfig(join(checkpoint, "text_encoder"));
  if (tokenizer.vocabSize > rows) checkSameWidth(folder, tokenizer.vocabSize, "the text encoder's table", rows);
  const encode = (text: string): EncodedPrompt => {
    const preprocessed = preprocessCaption(text, { cleanCaption });
    return { preprocessed, ...tokenizer.encode(preprocessed, TEXT_LENGTH) };
  };
  const encoded = [...prompts, ...negativePrompts].map(encode);
  const embeds = await runT5(checkpoint, encoded, settings);
  return {
    promptEmbeds: sliceBatch(embeds, 0, prompts.length),
    negativePromptEmbeds: sliceBatch(embeds, prompts.length, encoded.length),
    prompts: encoded.slice(0, prompts.length),
    negativePrompts: encoded.slice(prompts.length),
  };
}

/** All texts in one run: T5's weights are read once. */
function runT5(checkpoint: string, texts: readonly EncodedPrompt[], settings: NetworkSettings): Promise<Tensor> {
  const shape = { batch: texts.length, textLength: TEXT_LENGTH };
  return withT5Encoder(checkpoint, shape, settings, (network) =>
    network({
      input_ids: BigInt64Array.from(texts.flatMap(({ inputIds }) => inputIds.map(BigInt))),
      attention_mask: BigInt64Array.from(texts.flatMap(({ attentionMask }) => attentionMask.map(BigInt))),
    }),
  );
}
