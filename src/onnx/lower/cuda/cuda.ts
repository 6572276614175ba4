/**
 * @module onnx/lower/cuda/cuda
 * The CUDA provider. Correct by construction: every node it emits has a CUDA kernel for its version and types in
 * onnxruntime's list of kernels (docs/OperatorKernels.md); a test walks the published networks. Not measured.
 *
 * Opset 20 is the only one at which all of them do. A kernel listed as "N+" is used only for operations whose own version
 * at the model's opset is N: Gelu begins at 20; from 21 on there is no Identity, from 22 on no InstanceNormalization,
 * Sin or Cos. RMSNormalization, which begins at 23, is decomposed into onnxruntime's own SimplifiedLayerNormalization.
 */

import { computedIn, mixedTypes, unpackTo } from "../compute-type.ts";
import type { Lowering } from "../lower.ts";
import * as decompose from "../decompositions.ts";

/** @param type float16 where the network stands it: T5 and the upscaler's VAE exceed its range. */
export function cuda(type: decompose.ComputeType): Lowering {
  return {
    name: `cuda in ${type}`,
    opset: 20,
    unpackWeight: unpackTo(type),
    rewrites: {
      ...mixedTypes,
      ...computedIn(type, {
        Linear: decompose.linearAsGemm,
        Embedding: decompose.embedding(type),
        Conv: decompose.unchanged,
        GroupNorm: decompose.groupNorm,
        LayerNorm: decompose.layerNorm,
        RmsNorm: decompose.simplifiedLayerNorm,
        Attention: decompose.attention,
      }),
      Silu: decompose.silu,
      Gelu: decompose.gelu,
      RepeatBatch: decompose.repeatBatch,
      UpsampleNearest: decompose.upsampleNearest,
    },
  };
}
