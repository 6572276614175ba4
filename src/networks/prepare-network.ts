/**
 * @module networks/prepare-network
 * From a network's description to the graphs that are opened: for how many samples, in tiles or whole, which part is
 * computed once, and where each part runs. Running opens what this returns, and prediction measures it.
 */

import type { Graph } from "../onnx/graph.ts";
import { type HoistedGraph, hoist } from "../onnx/hoist.ts";
import { FEW_PIXELS, type LoweringSettings, computeTypeOf, providers } from "../onnx/lower/providers.ts";
import { inTiles } from "../onnx/tiles.ts";
import { type WeightMode, weightModeFor } from "../onnx/weight-mode.ts";
import type { LowMemory } from "../plan/plan.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { hasBlocks } from "../weights/find-weight.ts";
import type { NetworkDescription } from "./description.ts";
import { microBatchOf } from "./micro-batches.ts";
import { CPU, type ExecutionProvider } from "../onnx/lower/provider-names.ts";

export interface PreparedNetwork {
  readonly name: string;
  readonly provider: ExecutionProvider;
  readonly lowering: LoweringSettings;
  readonly weightMode: WeightMode;
  /** All of it, for one micro-batch. */
  readonly graph: Graph;
  /** How many micro-batches make the batch. */
  readonly microBatches: number;
  /** Is it computed in tiles? */
  readonly tiled: boolean;
  /** The graph in two: what is computed once for all steps, and the rest. Absent: it runs whole. */
  readonly parts?: HoistedGraph & { readonly onceProvider: ExecutionProvider };
  /** Does the CPU keep its buffers from one run to the next? Tiles are small and many; whole decoders' feature maps are neither. */
  readonly keepBuffers: boolean;
}

export interface NetworkChoices extends LowMemory {
  readonly provider: ExecutionProvider;
  /** Shall images be passed on in float16, if it computes in it? @default false */
  readonly narrowsImages?: boolean | undefined;
}

/** @param weights those it runs on, or a table of what they will be. */
export function prepareNetwork(
  description: Pick<NetworkDescription, "name" | "batch" | "build" | "fitsFloat16" | "canTile" | "varying">,
  weights: WeightTable,
  { provider, microBatch, tileBytes, narrowsImages }: NetworkChoices,
): PreparedNetwork {
  const { name, batch, build, canTile, varying } = description;
  const samples = microBatchOf(batch, microBatch);
  const whole = build(samples);
  const tiled = canTile && tileBytes !== undefined;
  const graph = tiled ? inTiles(whole, tileBytes) : whole;
  const computeType = computeTypeOf(description.fitsFloat16, weights.variant);
  const { hoistedForm, lowering: loweringOf } = providers[provider];
  const stored: LoweringSettings = {
    computeType,
    weightFormat: hasBlocks(weights) ? "blocks" : "stored",
    ...(pixelsOf(graph) <= FEW_PIXELS ? { fewPixels: true } : {}),
  };
  const isNarrowed = narrowsImages === true && loweringOf(stored).feedType === "float16";
  const lowering = isNarrowed ? { ...stored, narrowsImages } : stored;
  const parts = varying && hoistedForm ? hoist(graph, varying, hoistedForm(lowering)) : undefined;
  const microBatches = batch / samples;
  return {
    name,
    provider,
    lowering,
    weightMode: weightModeFor(graph),
    graph,
    microBatches,
    tiled,
    // With micro-batches the GPU is full: what is computed once is computed on the CPU, and its weights stay there.
    ...(parts ? { parts: { ...parts, onceProvider: microBatches > 1 ? CPU : provider } } : {}),
    keepBuffers: tiled || varying !== undefined,
  };
}

/** Of its images, of all samples together. */
const pixelsOf = ({ inputs, outputs }: Graph): number =>
  Math.max(
    ...[...inputs, ...outputs].map(({ shape: [batch = 0, , ...sides] }) =>
      sides.length === 2 ? sides.reduce((product, side) => product * side, batch) : 0,
    ),
  );
