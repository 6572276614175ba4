/**
 * @module onnx/lower/lower
 * From a network's graph to one that a device runs, pass by pass:
 *
 *     checked -> lowering.passes, in their order, each checked -> decomposed -> checked
 *
 * A pass takes the network in its own vocabulary (onnx/ops) and gives the same network in another layout or with several
 * operations taken together. Decomposing (onnx/lower/decompose) then binds weights to the bytes of their files and makes ONNX
 * operations of what is larger. Which passes and which decompositions is data: one `Lowering` for each device.
 */

import { checkGraph } from "../check.ts";
import type { DType, Graph } from "../graph.ts";
import { decompose } from "./decompose.ts";
import { narrowEnds } from "./narrow-ends.ts";
import type { UnpackWeight, Rewrite, WeightLookup } from "./rewriting.ts";

/** The same network in other operations or another layout. */
export interface Pass {
  readonly name: string;
  readonly run: (graph: Graph) => Graph;
}

export interface Lowering {
  readonly name: string;
  /** The opset of ONNX's own domain; com.microsoft's is always 1. */
  readonly opset: number;
  /** None if absent. */
  readonly passes?: readonly Pass[];
  /** Operations that the device wants in other words; all others pass unchanged. */
  readonly rewrites: Readonly<Record<string, Rewrite>>;
  readonly unpackWeight: UnpackWeight;
  /** Texts that are cast to this type before all else are fed in it; so are images, where that is asked for. None if absent. */
  readonly feedType?: DType;
  /** Are images, too, fed in `feedType`, and given in it where they are cast after all else? @default false */
  readonly narrowsImages?: boolean;
}

/** @returns a graph of ONNX operations only. Its inputs and outputs keep their names and, but for `feedType`, their types. */
export function lower(graph: Graph, weights: WeightLookup, lowering: Lowering): Graph {
  checkGraph(graph);
  let network = graph;
  for (const pass of lowering.passes ?? []) {
    network = pass.run(network);
    checkGraph(network);
  }
  const decomposed = decompose(network, weights, lowering);
  const lowered = lowering.feedType
    ? narrowEnds(decomposed, lowering.feedType, lowering.narrowsImages ?? false)
    : decomposed;
  checkGraph(lowered);
  return lowered;
}
