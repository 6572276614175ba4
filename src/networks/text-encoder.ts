/**
 * @module networks/text-encoder
 * T5: `input_ids`, `attention_mask` -> `last_hidden_state` (B, L, D); beside an empty text also `empty_ids` ->
 * `empty_hidden_state` (1, 2, D).
 */

import { join } from "node:path";
import { buildT5Encoder, readT5EncoderConfig } from "../models/t5-encoder.ts";
import { type ActivationBits, withInt8Activations } from "../onnx/int8-activations.ts";
import type { TextBatch } from "../plan/text-batch.ts";
import type { LoraMerge } from "../weights/lora/merge-lora.ts";
import { type NetworkDescription, TEXT_LENGTH } from "./description.ts";

/**
 * @param lora merged into its weights; absent: nothing.
 * @param activationBits what 8-bit weights are multiplied with; absent: float32.
 */
export async function describeT5Encoder(
  checkpoint: string,
  { texts, hasEmptyText = false }: TextBatch,
  lora?: LoraMerge,
  activationBits?: ActivationBits,
): Promise<NetworkDescription> {
  const folder = join(checkpoint, "text_encoder");
  const config = await readT5EncoderConfig(folder);
  return {
    name: "T5",
    folder,
    published: ["8bit", "fp16", "fp32"],
    weights: "text-encoder",
    lora,
    batch: texts,
    build: (batch) => {
      const graph = buildT5Encoder(config, { batch, textLength: TEXT_LENGTH, hasEmptyText });
      return activationBits === undefined ? graph : withInt8Activations(activationBits)(graph);
    },
    fitsFloat16: false,
    canTile: false,
  };
}
