/**
 * @module models/sd-unet-transformer
 * Where the SD UNet's image looks at the text: diffusers' Transformer2DModel over BasicTransformerBlock.
 *
 * Letters: B batch, C channels, H and W sides, N = H·W, L text tokens, D width of the text.
 * Source: Rombach et al. 2022 (arXiv 2112.10752) §3.3; GEGLU from Shazeer 2020 (arXiv 2002.05202), with GELU by erf.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import { add, attention, gelu, mul, reshape, slice, transpose } from "../onnx/ops.ts";
import { repeatToBatch, conv2d, groupNorm, layerNorm, linear } from "./layers.ts";

/** These two are not read from config.json: norm_eps is for the residual blocks. */
const groupNormEpsilon = 1e-6;
const layerNormEpsilon = 1e-5;

export interface TransformerOptions {
  readonly heads: number;
  readonly layers: number;
  readonly onlyCrossAttention: boolean;
  readonly useLinearProjection: boolean;
  readonly normGroups: number;
}

/**
 * @param x (P, C, H, W): as many samples as there are texts, or one for several; then they are told apart where they see them.
 * @param encoderHiddenStates (B, L, D).
 * @returns (B, C, H, W): x plus what attention adds.
 */
export function transformer2d(
  g: GraphBuilder,
  name: string,
  x: Value,
  encoderHiddenStates: Value,
  options: TransformerOptions,
): Value {
  const project = options.useLinearProjection ? projectTokens : projectPixels;
  return g.scope(name, () => {
    const normed = groupNorm(g, "norm", x, options.normGroups, groupNormEpsilon); // (B, C, H, W)
    let tokens = project.in(g, normed); // (B, N, C)
    for (let i = 0; i < options.layers; i++) {
      tokens = transformerBlock(g, `transformer_blocks.${i}`, tokens, encoderHiddenStates, options);
    }
    const whole = repeatToBatch(g, x, encoderHiddenStates); // (B, C, H, W)
    return add(g, project.out(g, tokens, whole.shape), whole);
  });
}

function transformerBlock(
  g: GraphBuilder,
  name: string,
  x: Value,
  encoderHiddenStates: Value,
  { heads, onlyCrossAttention }: TransformerOptions,
): Value {
  return g.scope(name, () => {
    const first = layerNorm(g, "norm1", x, layerNormEpsilon);
    const seen = attend(g, "attn1", first, onlyCrossAttention ? encoderHiddenStates : first, heads);
    x = add(g, repeatToBatch(g, x, seen), seen);
    const second = layerNorm(g, "norm2", x, layerNormEpsilon);
    const read = attend(g, "attn2", second, encoderHiddenStates, heads);
    x = add(g, repeatToBatch(g, x, read), read); // (B, N, C)
    const third = layerNorm(g, "norm3", x, layerNormEpsilon);
    return add(g, x, feedForward(g, "ff", third)); // (B, N, C)
  });
}

/** Multi-head attention of x (B, N, C), or of what is the same for several samples, to `context` (B, S, any) -> (B, N, C). */
function attend(g: GraphBuilder, name: string, x: Value, context: Value, heads: number): Value {
  const channels = x.shape.at(-1) ?? 0;
  return g.scope(name, () => {
    const q = repeatToBatch(g, linear(g, "to_q", x, channels, { bias: false }), context);
    const k = linear(g, "to_k", context, channels, { bias: false });
    const v = linear(g, "to_v", context, channels, { bias: false });
    const mixed = attention(g, q, k, v, { heads, scale: 1 / Math.sqrt(channels / heads) });
    return linear(g, "to_out.0", mixed, channels);
  });
}

/** GEGLU: (x·W + b) ⊙ GELU(x·V + c), Shazeer eq. 6, where one layer holds W and V; then back to C. */
function feedForward(g: GraphBuilder, name: string, x: Value): Value {
  const channels = x.shape.at(-1) ?? 0;
  const inner = 4 * channels;
  return g.scope(name, () => {
    const both = linear(g, "net.0.proj", x, 2 * inner); // (B, N, 8·C)
    const gate = gelu(g, slice(g, both, 2, inner, 2 * inner)); // (B, N, 4·C)
    return linear(g, "net.2", mul(g, slice(g, both, 2, 0, inner), gate), channels); // (B, N, C)
  });
}

/** (B, C, H, W) <-> (B, N, C) with a linear layer on the token side: `use_linear_projection`, SD 2. */
const projectTokens = {
  in: (g: GraphBuilder, x: Value): Value => linear(g, "proj_in", toTokens(g, x), x.shape[1] ?? 0),
  out: (g: GraphBuilder, tokens: Value, shape: readonly number[]): Value =>
    toPixels(g, linear(g, "proj_out", tokens, shape[1] ?? 0), shape),
};

/** The same with a 1x1 convolution on the image's side: SD 1. */
const projectPixels = {
  in: (g: GraphBuilder, x: Value): Value =>
    toTokens(g, conv2d(g, "proj_in", x, x.shape[1] ?? 0, { kernel: 1, padding: 0 })),
  out: (g: GraphBuilder, tokens: Value, shape: readonly number[]): Value =>
    conv2d(g, "proj_out", toPixels(g, tokens, shape), shape[1] ?? 0, { kernel: 1, padding: 0 }),
};

function toTokens(g: GraphBuilder, x: Value): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  return transpose(g, reshape(g, x, [batch, channels, height * width]), [0, 2, 1]); // (B, N, C)
}

function toPixels(g: GraphBuilder, tokens: Value, shape: readonly number[]): Value {
  return reshape(g, transpose(g, tokens, [0, 2, 1]), shape); // (B, C, H, W)
}
