/**
 * @module onnx/lower/fused-linear
 * Linear layers of one input, such as queries, keys and values, or what each resnet makes of the time, as one product: where
 * their weights in blocks lie one after the other (weights/quantized-layout sees to it). A GPU has too little to do with
 * one of them where pixels are few: on an NVIDIA H200, 128 x 2816 x 2816 took 193 µs and three times as many columns little
 * more.
 */

import type { Node, Value } from "../graph.ts";
import * as ops from "../ops.ts";
import {
  type BlocksWeight,
  bindConcatenated,
  inBlocks,
  isFollowedBy,
  isInBlocks,
  multiplyBlocks,
} from "./block-weights.ts";
import type { Rewriting } from "./rewriting.ts";
import { once, onceAll } from "./shared-constants.ts";

interface Layer {
  readonly node: Node;
  readonly weight: BlocksWeight;
}

/**
 * @param x the node's lowered input, (..., K).
 * @param part which of the node's features, from one to before another; all of them if absent.
 * @returns these features as a part of the fused product; undefined: the node's weight has no such neighbours.
 */
export function fusedLinear(
  context: Rewriting,
  node: Node,
  x: Value,
  part?: readonly [from: number, to: number],
): Value | undefined {
  const { g } = context;
  const layers = neighboursOf(context, node);
  const at = layers.findIndex((layer) => layer.node === node);
  const layer = layers[at];
  if (!layer || layers.length < 2) return undefined;
  const names = layers.map(({ weight }) => weight.name).join(); // x may be another value for each of them: cast anew
  const product = once(g, `product of ${x.shape.join()} and ${names}`, () => multiplyAll(context, x, layers));
  const axis = product.shape.length - 1;
  if (!part && layers.length <= MOST_PARTS) {
    const sizes = layers.map(({ weight }) => rowsOf(weight));
    return onceAll(g, `parts of ${product.name}`, () => ops.parts(g, product, axis, sizes))[at];
  }
  const before = layers.slice(0, at).reduce((sum, { weight }) => sum + rowsOf(weight), 0);
  const [from, to] = part ?? [0, rowsOf(layer.weight)];
  return ops.slice(g, product, axis, before + from, before + to);
}

/** Queries, keys and values: all are taken, and at once. A GPU's operation gives no more than a few. */
const MOST_PARTS = 3;

/** The layers whose weights lie in a row with the node's own, it among them; all have a bias, or none. */
function neighboursOf(context: Rewriting, node: Node): readonly Layer[] {
  const [x] = node.inputs;
  const layers = (x ? context.consumers(x) : []).flatMap((consumer): Layer[] => {
    const [input, parameter, bias] = consumer.inputs;
    const isAlike = consumer.op === "Linear" && input === x && (bias === node.inputs[2] || (bias && node.inputs[2]));
    const weight = isAlike && parameter ? context.weight(parameter) : undefined;
    return isInBlocks(weight) ? [{ node: consumer, weight }] : [];
  });
  const inOrder = layers.toSorted((a, b) => a.weight.offset - b.weight.offset);
  const at = inOrder.findIndex((layer) => layer.node === node);
  let [from, to] = [at, at];
  while (from > 0 && areAdjacent(inOrder[from - 1], inOrder[from])) from--;
  while (areAdjacent(inOrder[to], inOrder[to + 1])) to++;
  return inOrder.slice(from, to + 1);
}

const areAdjacent = (a: Layer | undefined, b: Layer | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  isFollowedBy(a.weight, b.weight) &&
  isFollowedBy(a.weight.blockScales, b.weight.blockScales);

function multiplyAll({ g, lowered }: Rewriting, x: Value, layers: readonly Layer[]): Value {
  const weight = bindConcatenated(
    g,
    layers.map((layer) => layer.weight),
  );
  if (!inBlocks(weight)) throw new Error(`${weight.value.name} does not lie in blocks`);
  const biases = layers.flatMap(({ node }) => (node.inputs[2] ? [lowered(node.inputs[2])] : []));
  const bias = biases.length > 0 ? g.weightOp("Concat", biases, { axis: ops.int(0) }) : null;
  return multiplyBlocks(g, x, weight, bias);
}

const rowsOf = ({ shape }: BlocksWeight): number => shape[0] ?? 0;
