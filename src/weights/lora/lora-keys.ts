/**
 * @module weights/lora/lora-keys
 * The names of a LoRA's tensors, in the layouts that exist -> which layer of which network each belongs to.
 *
 *   PEFT, diffusers today    unet.down_blocks.1.attentions.0.to_q.lora_A.weight, ...lora_B.weight
 *   PEFT by itself           base_model.model.down_blocks.1.attentions.0.to_q.lora_A.weight
 *   diffusers, for a while   unet.down_blocks.1.attentions.0.to_q.lora.down.weight, ...lora.up.weight
 *   diffusers in IF's days   unet.down_blocks.1.attentions.0.processor.to_q_lora.down.weight, also without "unet."
 *   kohya                    lora_unet_down_blocks_1_attentions_0_to_q.lora_down.weight, and .alpha
 *
 * Source: diffusers, utils/state_dict_utils.py and loaders/lora_conversion_utils.py; LoRAAttnAddedKVProcessor of its 0.20.
 */

export type LoraNetwork = "unet" | "text_encoder";

export interface LoraKey {
  /** As the name says; absent: it says nothing. */
  readonly network?: LoraNetwork;
  /** Of the layer, as in the checkpoint; with "_" for "." where `isFlat`. */
  readonly module: string;
  readonly isFlat: boolean;
  readonly part: "down" | "up" | "alpha";
}

interface Prefix {
  readonly pattern: RegExp;
  readonly network: LoraNetwork;
  readonly isFlat: boolean;
}

const prefixes: readonly Prefix[] = [
  { pattern: /^unet\./, network: "unet", isFlat: false },
  { pattern: /^text_encoder\./, network: "text_encoder", isFlat: false },
  { pattern: /^lora_unet_/, network: "unet", isFlat: true },
  { pattern: /^lora_te1?_/, network: "text_encoder", isFlat: true },
  { pattern: /^(?=encoder\.block\.)/, network: "text_encoder", isFlat: false }, // T5's, saved by itself
];

const parts: readonly (readonly [LoraKey["part"], RegExp])[] = [
  ["down", /(?:\.lora_A(?:\.[\w-]+)?|\.lora_down|(?:[._]lora|\.lora_linear_layer)\.down)\.weight$/],
  ["up", /(?:\.lora_B(?:\.[\w-]+)?|\.lora_up|(?:[._]lora|\.lora_linear_layer)\.up)\.weight$/],
  ["alpha", /(?:[._]lora|\.lora_linear_layer)?\.alpha$/],
];

/** @returns undefined: it is no name of a LoRA's. */
export function parseLoraKey(key: string): LoraKey | undefined {
  const name = key.replace(/^base_model\.model\./, "");
  const prefix = prefixes.find(({ pattern }) => pattern.test(name));
  const unprefixed = prefix ? name.replace(prefix.pattern, "") : name;
  for (const [part, pattern] of parts) {
    const found = pattern.exec(unprefixed);
    if (!found || found.index === 0) continue;
    const { network, isFlat = false } = prefix ?? {};
    return { ...(network ? { network } : {}), module: layerOf(unprefixed.slice(0, found.index)), isFlat, part };
  }
  return undefined;
}

/** The processors' `to_out` is the first of the layers that are called so. */
const layerOf = (module: string): string => module.replace(".processor.", ".").replace(/\.to_out$/, ".to_out.0");

/** What other kinds of adapters call their tensors, and their names. */
const otherKinds: readonly (readonly [RegExp, string])[] = [
  [/\.hada_w[12]/, "a LoHa"],
  [/\.lokr_w[12]/, "a LoKr"],
  [/\.(?:dora_scale|lora_magnitude_vector)/, "a DoRA"],
  [/\.oft_|\.(?:a1|a2|b1|b2)\.weight$/, "an adapter of another kind"],
  [/\.(?:diff|diff_b)$/, "a LoRA with whole layers (diff)"],
  [/\.lora_B(?:\.[\w-]+)?\.bias$/, "a LoRA with biases"],
];

/** @returns of which other kind a tensor of this name is; undefined: none that is known. */
export const otherKindOf = (key: string): string | undefined => otherKinds.find(([pattern]) => pattern.test(key))?.[1];
