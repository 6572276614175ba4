/**
 * @module onnx/lower/cuda
 * The CUDA provider. Correct by construction: every node it emits has a CUDA kernel for its version and types in
 * onnxruntime's list of kernels (docs/OperatorKernels.md); a test walks the published networks. Not measured.
 *
 * Opset 20 is the only one at which all of them do. A kernel listed as "N+" is used only for operations whose own version
 * at the model's opset is N: Gelu begins at 20; from 21 on there is no Identity, from 22 on no InstanceNormalization,
 * Sin or Cos. RMSNormalization, which begins at 23, is spelled as onnxruntime's own SimplifiedLayerNormalization.
 */

import { computedIn, mixedTypes, unpackTo } from "./compute-type.ts";
import type { Lowering } from "./lowering.ts";
import * as spell from "./spellings.ts";

/** @param type float16 where the network stands it: T5 and the upscaler's VAE exceed its range. */
export function cuda(type: spell.ComputeType): Lowering {
  return {
    name: `cuda in ${type}`,
    opset: 20,
    unpackWeight: unpackTo(type),
    rewrites: {
      ...mixedTypes,
      ...computedIn(type, {
        Linear: spell.linearAsGemm,
        Embedding: spell.embedding(type),
        Conv: spell.unchanged,
        GroupNorm: spell.groupNorm,
        LayerNorm: spell.layerNorm,
        RmsNorm: spell.simplifiedLayerNorm,
        Attention: spell.attention,
      }),
      Silu: spell.silu,
      Gelu: spell.gelu,
      RepeatBatch: spell.repeatBatch,
      UpsampleNearest: spell.upsampleNearest,
    },
  };
}
