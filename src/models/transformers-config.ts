/**
 * @module models/transformers-config
 * The part of a config.json that transformers writes for every model: labels, text generation, provenance. No network
 * here depends on it, and how much of it a file holds depends on the version that saved it.
 * Source: transformers' PretrainedConfig, versions 4.25 to 5.
 */

import { z } from "zod";

export const count = z.int().positive();

/** What does not touch the numbers of an encoder, for the option `harmless` of weights/component-config. */
export const transformersHarmlessKeys: readonly string[] = `
  architectures transformers_version tokenizer_class attn_implementation chunk_size_feed_forward
  torch_dtype dtype torchscript use_bfloat16 tf_legacy_loss use_cache return_dict
  output_hidden_states output_attentions output_scores return_dict_in_generate
  is_encoder_decoder tie_encoder_decoder tie_word_embeddings cross_attention_hidden_size
  bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id
  id2label label2id problem_type finetuning_task task_specific_params prefix
  max_length min_length do_sample early_stopping num_beams num_beam_groups num_return_sequences
  diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty
  no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids suppress_tokens
  begin_suppress_tokens forced_bos_token_id forced_eos_token_id remove_invalid_values
  exponential_decay_length_penalty initializer_factor initializer_range
`
  .trim()
  .split(/\s+/);

/** Keys of every model that would make it another network, with the only value we build. */
export const encoderOnlyKeys = {
  is_decoder: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
  pruned_heads: z.strictObject({}).default({}),
};
