/**
 * @module pipelines/text-encoding
 * Prompts -> T5 embeddings, as IFPipeline.encode_prompt gives them (diffusers, pipeline_if.py).
 *
 * Letters: P prompts, L tokens (77: what IF was trained with), D width of T5.
 */

import { concatBatch, sliceBatch } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import { TEXT_LENGTH } from "../networks/description.ts";
import { type NetworkSettings, withNetworkOutputs } from "../networks/open-network.ts";
import { openT5Tokenizer } from "../networks/open-tokenizer.ts";
import { describeT5Encoder } from "../networks/text-encoder.ts";
import type { TextBatch } from "../plan/text-batch.ts";
import { exactActivationBits } from "../runtime/int8-products.ts";
import type { Run } from "../runtime/session.ts";
import { preprocessCaption } from "../tokenizers/clean-caption.ts";
import { splitText } from "../tokenizers/split-text.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import type { Tokenized } from "../tokenizers/text-tokenizer.ts";

export interface TextEncodingOptions extends TextBatch {
  /** A checkpoint with `tokenizer/` and `text_encoder/`. */
  readonly checkpoint: string;
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

/** Together they are as many as were announced, empty ones aside where such a one is encoded beside them. */
export type EncodeText = (prompts: readonly string[], negativePrompts: readonly string[]) => Promise<EncodedText>;

/** Opens T5 once and lets `use` encode as often as it wants: its weights are read once. */
export async function withTextEncoder<T>(
  { checkpoint, texts: count, hasEmptyText = false, cleanCaption, textParts = 1, lora, settings }: TextEncodingOptions,
  use: (encode: EncodeText) => Promise<T>,
): Promise<T> {
  const tokenizer = await openT5Tokenizer(checkpoint);
  const activationBits = settings.textEncoder?.activations === "int8" ? await exactActivationBits() : undefined;
  const batch = { texts: count * textParts, hasEmptyText };
  const description = await describeT5Encoder(checkpoint, batch, lora, activationBits);
  const emptyText = hasEmptyText ? { preprocessed: "", ...tokenizer.encode("", TEXT_LENGTH) } : undefined;
  /** @returns a text's parts. */
  const tokenize = (text: string): EncodedPrompt[] => {
    if (emptyText && text === "") return Array.from({ length: textParts }, () => emptyText);
    const whole = preprocessCaption(text, { cleanCaption });
    const parts = textParts === 1 ? [whole] : splitText(tokenizer, whole, TEXT_LENGTH);
    return Array.from({ length: textParts }, (_, part) => {
      const preprocessed = parts[part] ?? "";
      return { preprocessed, ...tokenizer.encode(preprocessed, TEXT_LENGTH) };
    });
  };
  return withNetworkOutputs(description, settings, (run) =>
    use(async (prompts, negativePrompts) => {
      const texts = [...prompts, ...negativePrompts].flatMap(tokenize);
      const { data, shape } = await runT5(run, texts, emptyText);
      const [, length = 0, width = 0] = shape;
      const rows = texts.length / textParts;
      const embeds = { data, shape: [rows, textParts * length, width] }; // a text's parts are neighbours
      return {
        promptEmbeds: sliceBatch(embeds, 0, prompts.length),
        negativePromptEmbeds: sliceBatch(embeds, prompts.length, rows),
        prompts: texts.slice(0, prompts.length * textParts),
        negativePrompts: texts.slice(prompts.length * textParts),
      };
    }),
  );
}

/** @param emptyText the one among the texts that is encoded beside them; absent: none. @returns (texts, L, D). */
async function runT5(run: Run, texts: readonly EncodedPrompt[], emptyText?: EncodedPrompt): Promise<Tensor> {
  const others = texts.filter((text) => text !== emptyText);
  const results = await run({
    input_ids: BigInt64Array.from(others.flatMap(({ inputIds }) => inputIds.map(BigInt))),
    attention_mask: BigInt64Array.from(others.flatMap(({ attentionMask }) => attentionMask.map(BigInt))),
    ...(emptyText
      ? { empty_ids: BigInt64Array.from(others.flatMap(() => emptyText.inputIds.slice(0, 2).map(BigInt))) }
      : {}),
  });
  const encoded = results.get("last_hidden_state")!;
  const empty = results.get("empty_hidden_state");
  if (!empty || others.length === texts.length) return encoded;
  const emptyRows = repeatPad(sliceBatch(empty, 0, 1), TEXT_LENGTH);
  let next = 0;
  return concatBatch(texts.map((text) => (text === emptyText ? emptyRows : sliceBatch(encoded, next, ++next))));
}

/** (1, 2, D), a token's row and a pad's -> (1, length, D). */
function repeatPad({ data, shape }: Tensor, length: number): Tensor {
  const width = shape.at(-1) ?? 0;
  const all = new Float32Array(length * width);
  all.set(data.subarray(0, width));
  for (let row = 1; row < length; row++) all.set(data.subarray(width), row * width);
  return { data: all, shape: [1, length, width] };
}
