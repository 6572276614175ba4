/**
 * @module models/rrdbnet
 * RRDBNet, ESRGAN's network: residual blocks of densely joined convolutions at the image's own size, then nearest
 * neighbours and a convolution for each doubling. Real-ESRGAN's for scales 2 and 1 is the one for scale 4 on an image whose
 * blocks of 2 or 4 pixels a side are channels (math/pixel-shuffle).
 *
 * In:  image (B, I, h, w) float32, of values in [0, 1].   Out: image (B, 3, 2^U·h, 2^U·w), about [0, 1].
 * Letters: B batch, F features, G growth, I 3·r² channels, U doublings.
 * Source: Wang et al. 2018 (arXiv 1809.00219) §3.1; Wang et al. 2021 (arXiv 2107.10833); names as in BasicSR's RRDBNet.
 */

import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { conv2d } from "./layers.ts";

export interface RrdbNetConfig {
  /** RRDBs: 23 in the published ones, 6 in the one for drawings. */
  readonly blocks: number;
  /** F: 64. */
  readonly features: number;
  /** G, what each convolution of a dense block adds: 32. */
  readonly growth: number;
  /** I: 3, 12 or 48. */
  readonly inChannels: number;
  /** U: 2 of scale 4, and where blocks of pixels are channels. */
  readonly doublings: number;
}

/** By what a residual is multiplied, of dense blocks and of blocks of them. */
const RESIDUAL = 0.2;
/** Of LeakyReLU, below zero. */
const SLOPE = 0.2;

/** @param shape sides of what the network takes: of blocks, where these are channels. */
export function buildRrdbNet(
  { blocks, features, growth, inChannels, doublings }: RrdbNetConfig,
  shape: { readonly batch: number; readonly height: number; readonly width: number },
): Graph {
  const g = new GraphBuilder("rrdbnet");
  const image = g.input("image", "float32", [shape.batch, inChannels, shape.height, shape.width]);
  const first = conv2d(g, "conv_first", image, features);
  let x = first;
  for (let index = 0; index < blocks; index++) x = g.scope(`body.${index}`, () => rrdb(g, x, growth));
  x = ops.add(g, first, conv2d(g, "conv_body", x, features));
  for (let index = 1; index <= doublings; index++) {
    const [, , height = 0, width = 0] = x.shape;
    x = leaky(g, conv2d(g, `conv_up${index}`, ops.upsampleNearest(g, x, 2 * height, 2 * width), features));
  }
  x = leaky(g, conv2d(g, "conv_hr", x, features));
  g.output("enlarged", conv2d(g, "conv_last", x, 3));
  return g.finish();
}

const leaky = (g: GraphBuilder, x: Value): Value => ops.leakyRelu(g, x, SLOPE);

/** Three dense blocks. */
function rrdb(g: GraphBuilder, x: Value, growth: number): Value {
  let y = x;
  for (let index = 1; index <= 3; index++) y = g.scope(`rdb${index}`, () => denseBlock(g, y, growth));
  return plusResidual(g, x, y);
}

/** Each convolution takes all that came before it in the block. Huang et al. 2017 (arXiv 1608.06993). */
function denseBlock(g: GraphBuilder, x: Value, growth: number): Value {
  const before = [x];
  const joined = (): Value => (before.length === 1 ? x : ops.concat(g, [...before], 1));
  for (let index = 1; index <= 4; index++) before.push(leaky(g, conv2d(g, `conv${index}`, joined(), growth)));
  return plusResidual(g, x, conv2d(g, "conv5", joined(), x.shape[1] ?? 0));
}

const plusResidual = (g: GraphBuilder, x: Value, residual: Value): Value =>
  ops.add(g, ops.scale(g, residual, RESIDUAL), x);
