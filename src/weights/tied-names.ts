/**
 * @module weights/tied-names
 * Two names for one tensor, of which files store either. T5's token embedding is the only such case in the cascade.
 * Source: transformers, `_tied_weights_keys` of T5EncoderModel.
 */

const pairs: ReadonlyMap<string, string> = new Map([
  ["shared.weight", "encoder.embed_tokens.weight"],
  ["encoder.embed_tokens.weight", "shared.weight"],
]);

/** @returns the tensor of this name or, where that is not stored, of the name tied to it. */
export function getTied<T>(tensors: ReadonlyMap<string, T>, name: string): T | undefined {
  return tensors.get(name) ?? tensors.get(pairs.get(name) ?? name);
}
