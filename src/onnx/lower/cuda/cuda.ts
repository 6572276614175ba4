/**
 * @module onnx/lower/cuda/cuda
 * The CUDA provider. Every node it emits has a CUDA kernel for its version and types in onnxruntime's list of kernels
 * (docs/OperatorKernels.md); a test walks the published networks. The choices were measured on one NVIDIA H200
 * (docs/notebook/cuda.md).
 *
 * Opset 20 is the only one at which all of them do. A kernel listed as "N+" is used only for operations whose own version
 * at the model's opset is N: Gelu begins at 20; from 21 on there is no Identity, from 22 on no InstanceNormalization,
 * Sin or Cos. RMSNormalization, which begins at 23, is onnxruntime's own SimplifiedLayerNormalization.
 */

import { castOnce, computedIn, mixedTypes, unpackTo } from "../compute-type.ts";
import * as decompose from "../decompositions.ts";
import type { Lowering, Pass } from "../lower.ts";
import type { Rewrite } from "../rewriting.ts";
import { joinedKeys } from "./attention-keys.ts";
import { batchedConditioning } from "./conditioning.ts";
import { convolutionsInPhases, convolveInPhases } from "./enlarged-phases.ts";
import { fusedOperations } from "./fuse.ts";
import { groupNorm, groupSum } from "./group-norm.ts";
import {
  averagePool,
  biasSum,
  convolve,
  gelu,
  joinedLinear,
  linear,
  linearRows,
  sumWithBias,
  upsample,
  upsampleLater,
} from "./layers.ts";
import { channelsLastLayout } from "./layout.ts";
import { type CudaChoices, cudaDefaults } from "./variants.ts";

/** @param type float16 where the network tolerates it: T5 and the upscaler's VAE exceed its range. */
export function cuda(type: decompose.ComputeType, choices: CudaChoices = cudaDefaults.stored): Lowering {
  return {
    name: `cuda in ${type}`,
    opset: 20,
    unpackWeight: unpackTo(type),
    feedType: type,
    passes: passesOf(choices),
    rewrites: {
      ...mixedTypes,
      ...computedIn(
        type,
        {
          Linear: linear,
          Embedding: decompose.embedding(type),
          Conv: decompose.unchanged,
          GroupNorm: decompose.groupNorm,
          LayerNorm: decompose.layerNorm,
          RmsNorm: decompose.simplifiedLayerNorm,
          Attention: decompose.attention,
          ...channelsLast(type, choices),
        },
        castOnce,
      ),
      Silu: decompose.silu,
      Gelu: gelu,
      RepeatBatch: decompose.repeatBatch,
      UpsampleNearest: decompose.upsampleNearest,
    },
  };
}

function passesOf({ layout, keys, phases }: CudaChoices): readonly Pass[] {
  if (layout === "first") return [];
  return [
    ...(keys === "joined" ? [joinedKeys] : []),
    batchedConditioning,
    channelsLastLayout,
    fusedOperations,
    ...(phases ? [convolutionsInPhases(phases)] : []),
  ];
}

/** What the passes make of a network's operations. */
const channelsLast = (type: decompose.ComputeType, choices: CudaChoices): Readonly<Record<string, Rewrite>> => ({
  ConvNhwc: convolve(type, choices),
  ConvInPhases: convolveInPhases(type, choices, convolve(type, choices)),
  AveragePoolNhwc: averagePool,
  UpsampleNearestNhwc: choices.mostTapPixels > 0 || choices.phases ? upsampleLater : upsample,
  GroupNormNhwc: groupNorm,
  SkipGroupSum: groupSum,
  SumWithBias: sumWithBias,
  LinearRows: linearRows(type),
  JoinedLinear: joinedLinear,
  BiasSum: biasSum(type),
  "com.microsoft.SkipLayerNormalization": decompose.unchanged,
  SkipSum: decompose.unchanged,
});
