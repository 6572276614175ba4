/**
 * @module pipelines/text-encoding
 * Prompts -> T5 embeddings, as IFPipeline.encode_prompt gives them (diffusers, pipeline_if.py).
 *
 * Letters: P prompts, L tokens (77: what IF was trained with), D width of T5.
 */

import { sliceBatch } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import { TEXT_LENGTH } from "../networks/description.ts";
import { type Network, type NetworkSettings, withNetwork } from "../networks/open-network.ts";
import { openT5Tokenizer } from "../networks/open-tokenizer.ts";
import { describeT5Encoder } from "../networks/text-encoder.ts";
import { exactActivationBits } from "../runtime/int8-products.ts";
import { preprocessCaption } from "../tokenizers/clean-caption.ts";
import { splitText } from "../tokenizers/split-text.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import type { Tokenized } from "../tokenizers/text-tokenizer.ts";

export interface TextEncodingOptions {
  /** A checkpoint with `tokenizer/` and `text_encoder/`. */
  readonly checkpoint: string;
  /** How many texts are encoded at once. */
  readonly texts: number;
  /** IF's caption cleaning; without it a prompt is only lower-cased and trimmed. */
  readonly cleanCaption: boolean;
  /** Into how many parts each text is cut between words, empty ones at its end: their embeddings are laid end to end. @default 1 */
  readonly textParts?: number | undefined;
  /** Merged into T5's weights. @default nothing */
  readonly lora?: LoraMerge | undefined;
  readonly settings: NetworkSettings;
}

export interface EncodedText {
  readonly promptEmbeds: Tensor; // (P, parts · L, D)
  readonly negativePromptEmbeds: Tensor; // (negative prompts, parts · L, D)
  /** What was tokenized, part by part, and what of it did not fit into L tokens. */
  readonly prompts: readonly EncodedPrompt[];
  readonly negativePrompts: readonly EncodedPrompt[];
}

export interface EncodedPrompt extends Tokenized {
  readonly preprocessed: string;
}

/** Together they are as many as were announced. */
export type EncodeText = (prompts: readonly string[], negativePrompts: readonly string[]) => Promise<EncodedText>;

/** Opens T5 once and lets `use` encode as often as it wants: its weights are read once. */
export async function withTextEncoder<T>(
  { checkpoint, texts: count, cleanCaption, textParts = 1, lora, settings }: TextEncodingOptions,
  use: (encode: EncodeText) => Promise<T>,
): Promise<T> {
  const tokenizer = await openT5Tokenizer(checkpoint);
  const activationBits = settings.textEncoder?.activations === "int8" ? await exactActivationBits() : undefined;
  const description = await describeT5Encoder(checkpoint, count * textParts, lora, activationBits);
  const tokenize = (text: string): EncodedPrompt[] => {
    const whole = preprocessCaption(text, { cleanCaption });
    const parts = textParts === 1 ? [whole] : splitText(tokenizer, whole, TEXT_LENGTH);
    return Array.from({ length: textParts }, (_, part) => {
      const preprocessed = parts[part] ?? "";
      return { preprocessed, ...tokenizer.encode(preprocessed, TEXT_LENGTH) };
    });
  };
  return withNetwork(description, settings, (network) =>
    use(async (prompts, negativePrompts) => {
      const texts = [...prompts, ...negativePrompts].flatMap(tokenize);
      const { data, shape } = await runT5(network, texts);
      const [rows = 0, length = 0, width = 0] = shape;
      const embeds = { data, shape: [rows / textParts, textParts * length, width] }; // a text's parts are neighbours
      return {
        promptEmbeds: sliceBatch(embeds, 0, prompts.length),
        negativePromptEmbeds: sliceBatch(embeds, prompts.length, rows / textParts),
        prompts: texts.slice(0, prompts.length * textParts),
        negativePrompts: texts.slice(prompts.length * textParts),
      };
    }),
  );
}

const runT5 = (network: Network, texts: readonly EncodedPrompt[]): Promise<Tensor> =>
  network({
    input_ids: BigInt64Array.from(texts.flatMap(({ inputIds }) => inputIds.map(BigInt))),
    attention_mask: BigInt64Array.from(texts.flatMap(({ attentionMask }) => attentionMask.map(BigInt))),
  });
