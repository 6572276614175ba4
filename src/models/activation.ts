/**
 * @module models/activation
 * The activations that UNet configurations name, as in diffusers' `get_activation`.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import { gelu, silu } from "../onnx/ops.ts";

/** `swish` is another word for `silu`; `gelu` is the one by erf. */
export const activationNames = ["silu", "swish", "gelu"] as const;

export type Activation = (typeof activationNames)[number];

/** @returns the activation of each element of x. */
export const activate = (g: GraphBuilder, x: Value, activation: Activation): Value =>
  activation === "gelu" ? gelu(g, x) : silu(g, x);
