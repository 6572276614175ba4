/**
 * @module onnx/weight-mode
 * Two ways of holding weights; which one a network gets depends on its size alone, so that a plan knows it beforehand.
 */

import type { Graph } from "./graph.ts";

/**
 * `expanded`: weights are unpacked once, when the session is made, and laid out as the kernels like them: fastest, at
 * 4 bytes of private memory per weight. `mapped`: weights stay in their file and are unpacked as they are used.
 */
export type WeightMode = "expanded" | "mapped";

/** Up to this many bytes of float32 weights a network is expanded; the published networks are nearly all far larger. */
const EXPANDED_LIMIT_BYTES = 96 * 2 ** 20;

/** @param graph as a network describes itself, before lowering. */
export function weightModeFor(graph: Graph): WeightMode {
  return expandedBytes(graph) <= EXPANDED_LIMIT_BYTES ? "expanded" : "mapped";
}

/** @returns the bytes of all weights in float32. */
export function expandedBytes({ parameters }: Graph): number {
  return parameters.reduce((sum, { value }) => sum + 4 * value.shape.reduce((product, side) => product * side, 1), 0);
}
