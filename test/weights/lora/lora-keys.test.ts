import { expect, test } from "vitest";
import { otherKindOf, parseLoraKey } from "../../../src/weights/lora/lora-keys.ts";

const layer = "down_blocks.1.attentions.0.to_q";

test.each([
  [`unet.${layer}.lora_A.weight`, { network: "unet", module: layer, isFlat: false, part: "down" }],
  [`unet.${layer}.lora_B.default.weight`, { network: "unet", module: layer, isFlat: false, part: "up" }],
  [`base_model.model.${layer}.lora_A.weight`, { module: layer, isFlat: false, part: "down" }],
  [`unet.${layer}.lora.up.weight`, { network: "unet", module: layer, isFlat: false, part: "up" }],
  ["down_blocks.1.attentions.0.processor.to_q_lora.down.weight", { module: layer, isFlat: false, part: "down" }],
  [
    "unet.mid_block.attentions.0.processor.add_k_proj_lora.up.weight",
    { network: "unet", module: "mid_block.attentions.0.add_k_proj", isFlat: false, part: "up" },
  ],
  [
    "unet.mid_block.attentions.0.processor.to_out_lora.up.weight",
    { network: "unet", module: "mid_block.attentions.0.to_out.0", isFlat: false, part: "up" },
  ],
  [
    "lora_unet_down_blocks_1_attentions_0_to_q.lora_down.weight",
    { network: "unet", module: "down_blocks_1_attentions_0_to_q", isFlat: true, part: "down" },
  ],
  [
    "lora_unet_mid_block_attentions_0_to_out_0.alpha",
    { network: "unet", module: "mid_block_attentions_0_to_out_0", isFlat: true, part: "alpha" },
  ],
  [
    "text_encoder.encoder.block.0.layer.0.SelfAttention.q.lora_linear_layer.down.weight",
    { network: "text_encoder", module: "encoder.block.0.layer.0.SelfAttention.q", isFlat: false, part: "down" },
  ],
  [
    "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_B.weight",
    { network: "text_encoder", module: "encoder.block.0.layer.0.SelfAttention.q", isFlat: false, part: "up" },
  ],
])("%s", (key, expected) => {
  expect(parseLoraKey(key)).toEqual(expected);
});

test.each([`${layer}.weight`, `unet.${layer}.hada_w1_a`, "lora_A.weight", ".alpha", `unet.${layer}.lora_B.bias`])(
  "%s is no name of a LoRA's",
  (key) => {
    expect(parseLoraKey(key)).toBeUndefined();
  },
);

test.each([
  ["lora_unet_x.hada_w1_a", "a LoHa"],
  ["lora_unet_x.lokr_w2", "a LoKr"],
  ["unet.x.lora_magnitude_vector", "a DoRA"],
  ["unet.x.lora_B.bias", "a LoRA with biases"],
  ["unet.x.weight", undefined],
])("%s is of %s", (key, kind) => {
  expect(otherKindOf(key)).toBe(kind);
});
