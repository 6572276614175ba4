/**
 * @module onnx/tiles
 * Rewrites a network so that its largest feature maps exist only as horizontal tiles, each computed when it is needed
 * and given back when its last reader is done. A convolution reads a row or more of its neighbours, and a norm's mean
 * and variance are taken over all tiles: the result is the same as without, there are no seams to hide.
 *
 * Letters: B batch, C channels, G groups, H and W sides, S tiles.
 */

import { type Graph, GraphBuilder, type Node, type Value } from "./graph.ts";
import { valueBytes } from "./memory.ts";
import * as ops from "./ops.ts";
import { floatOf, intOf, intsOf } from "./shapes.ts";

/** More would save little more, and each is some hundred nodes. */
const MAX_TILES = 32;

/** A feature map as it exists in the rewritten network: in one piece or tile by tile, from the top. */
type FeatureMap = { readonly whole: Value } | { readonly tiles: readonly Value[] };

interface Rewriting {
  readonly g: GraphBuilder;
  readonly count: number;
  readonly made: Map<string, FeatureMap>;
}

/**
 * @param tileBytes about how large a tile may be; feature maps of at most twice that stay whole.
 * @returns the same network; `graph` itself where nothing is so large.
 */
export function inTiles(graph: Graph, tileBytes: number): Graph {
  const large = (value: Value): boolean => value.shape.length === 4 && valueBytes(value) > 2 * tileBytes;
  const featureMaps = graph.nodes.map(({ output }) => output).filter(large);
  const count = tileCount(featureMaps, tileBytes);
  if (count < 2) return graph;
  const g = new GraphBuilder(graph.name);
  const context: Rewriting = { g, count, made: new Map() };
  for (const { name, dtype, shape } of graph.inputs) context.made.set(name, { whole: g.input(name, dtype, shape) });
  for (const { value, data } of graph.constants) {
    context.made.set(value.name, { whole: g.constant(data, value.shape, value.dtype) });
  }
  for (const { value, aliases } of graph.parameters) {
    context.made.set(value.name, { whole: g.parameter(value.name, value.shape, aliases) });
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) {
    const [first] = node.inputs;
    if (outputs.has(node.output.name) && first) {
      g.output(node.output.name, whole(context, first));
      continue;
    }
    const path = node.name.slice(0, node.name.lastIndexOf("/"));
    const build = (): FeatureMap => rewrite(context, node, large(node.output));
    context.made.set(node.output.name, path === "" ? build() : g.scope(path, build));
  }
  return g.finish();
}

/** A power of two that divides the height of every large feature map, so that doubling a feature map doubles each tile. */
function tileCount(featureMaps: readonly Value[], tileBytes: number): number {
  const tilesNeeded = Math.max(0, ...featureMaps.map(valueBytes)) / tileBytes;
  let count = 1;
  while (
    count < Math.min(tilesNeeded, MAX_TILES) &&
    featureMaps.every(({ shape }) => (shape[2] ?? 1) % (2 * count) === 0)
  ) {
    count *= 2;
  }
  return count;
}

function rewrite(context: Rewriting, node: Node, large: boolean): FeatureMap {
  const rule = rules[node.op];
  const [first] = node.inputs;
  const split = first ? "tiles" in featureMapOf(context, first) : false;
  if (rule && (large || split) && canSplit(context, node)) return { tiles: rule(context, node) };
  const inputs = node.inputs.map((value) => value && whole(context, value));
  return { whole: context.g.op(node.op, inputs, node.attributes) };
}

type Rule = (context: Rewriting, node: Node) => readonly Value[];

const rules: Readonly<Record<string, Rule>> = {
  Conv: conv,
  GroupNorm: groupNorm,
  UpsampleNearest: upsample,
  Silu: tileByTile,
  Gelu: tileByTile,
  LeakyRelu: tileByTile,
  Add: tileByTile,
  Mul: tileByTile,
  Div: tileByTile,
};

function canSplit({ count }: Rewriting, node: Node): boolean {
  const height = node.output.shape[2] ?? 0;
  const fits = (value: Value): boolean => value.shape.length === 4 && (value.shape[2] ?? 0) % count === 0;
  if (!fits(node.output) || height < count) return false;
  if (node.op === "Conv") return intsOf(node.attributes, "strides").every((stride) => stride === 1);
  if (node.op === "UpsampleNearest") return node.inputs.every((value) => value !== null && fits(value));
  return node.op === "GroupNorm" || node.inputs.every((value) => value !== null && (fits(value) || isScalar(value)));
}

const isScalar = ({ shape }: Value): boolean => shape.length === 0;

function featureMapOf({ made }: Rewriting, value: Value): FeatureMap {
  const featureMap = made.get(value.name);
  if (!featureMap) throw new Error(`${value.name} is not made yet`);
  return featureMap;
}

/** Joins the tiles, once. */
function whole(context: Rewriting, value: Value): Value {
  const featureMap = featureMapOf(context, value);
  if ("whole" in featureMap) return featureMap.whole;
  const joined = ops.concat(context.g, featureMap.tiles, 2);
  context.made.set(value.name, { whole: joined });
  return joined;
}

/** Rows `from` to `to` of a feature map, cut out of as many tiles as they touch. */
function rows({ g, made }: Rewriting, value: Value, from: number, to: number): Value {
  const featureMap = made.get(value.name);
  if (!featureMap) throw new Error(`${value.name} is not made yet`);
  const cut = (part: Value, start: number, end: number): Value =>
    start === 0 && end === part.shape[2] ? part : ops.slice(g, part, 2, start, end);
  if ("whole" in featureMap) return cut(featureMap.whole, from, to);
  const parts: Value[] = [];
  let top = 0;
  for (const tile of featureMap.tiles) {
    const height = tile.shape[2] ?? 0;
    const [start, end] = [Math.max(from - top, 0), Math.min(to - top, height)];
    if (start < end) parts.push(cut(tile, start, end));
    top += height;
  }
  return parts.length === 1 && parts[0] ? parts[0] : ops.concat(g, parts, 2);
}

const tilesOf = (context: Rewriting, value: Value): Value[] =>
  bounds(context.count, value.shape[2] ?? 0).map(([from, to]) => rows(context, value, from, to));

function bounds(count: number, height: number): [number, number][] {
  const side = height / count;
  return Array.from({ length: count }, (_, index) => [index * side, (index + 1) * side]);
}

function tileByTile(context: Rewriting, node: Node): readonly Value[] {
  const inputs = node.inputs.map((value) => {
    if (!value) throw new Error(`${node.name}: an input is missing`);
    return isScalar(value) ? null : tilesOf(context, value);
  });
  return Array.from({ length: context.count }, (_, index) =>
    context.g.op(
      node.op,
      inputs.map((tiles, at) => tiles?.[index] ?? whole(context, node.inputs[at] as Value)),
      node.attributes,
    ),
  );
}

function input(node: Node, index: number): Value {
  const value = node.inputs[index];
  if (!value) throw new Error(`${node.name}: input ${index} is missing`);
  return value;
}

/** Each tile is convolved with the rows above and below it that the kernel reaches; the image's own edges are padded. */
function conv(context: Rewriting, node: Node): readonly Value[] {
  const [x, weight, bias] = [input(node, 0), input(node, 1), node.inputs[2] ?? null];
  const [top = 0, left = 0, bottom = 0, right = 0] = intsOf(node.attributes, "pads");
  const height = x.shape[2] ?? 0;
  return bounds(context.count, node.output.shape[2] ?? 0).map(([from, to]) => {
    const [first, last] = [from - top, to + (weight.shape[2] ?? 1) - 1 - top];
    const tile = rows(context, x, Math.max(first, 0), Math.min(last, height));
    const pads = ops.ints([Math.max(-first, 0), left, Math.max(last - height, 0), right]);
    const inputs = [tile, whole(context, weight), bias && whole(context, bias)];
    if (last - height > bottom) throw new Error(`${node.name}: its tiles do not meet its padding`);
    return context.g.op("Conv", inputs, { ...node.attributes, pads });
  });
}

function upsample(context: Rewriting, node: Node): readonly Value[] {
  const [height = 0, width = 0] = intsOf(node.attributes, "size");
  return tilesOf(context, input(node, 0)).map((tile) =>
    ops.upsampleNearest(context.g, tile, height / context.count, width),
  );
}

/** Mean, then variance about it, of the means of equal tiles; then each tile by itself, as x · factor + shift. */
function groupNorm(context: Rewriting, node: Node): readonly Value[] {
  const { g, count } = context;
  const x = input(node, 0);
  const [weight, bias] = [whole(context, input(node, 1)), whole(context, input(node, 2))];
  const [batch = 0, channels = 0] = x.shape;
  const groups = intOf(node.attributes, "groups");
  const tiles = tilesOf(context, x);
  const grouped = tiles.map((tile) => ops.reshape(g, tile, [batch, groups, -1])); // (B, G, C/G·H/S·W)
  const average = (parts: readonly Value[]): Value =>
    ops.scale(
      g,
      parts.reduce((sum, part) => ops.add(g, sum, part)),
      1 / count,
    );
  const mean = average(grouped.map((part) => ops.mean(g, part))); // (B, G, 1)
  const variance = average(
    grouped.map((part) => {
      const centred = ops.sub(g, part, mean);
      return ops.mean(g, ops.mul(g, centred, centred));
    }),
  );
  const deviation = ops.sqrt(g, ops.add(g, variance, g.scalar(floatOf(node.attributes, "epsilon"))));
  const rowsOf = (v: Value): Value => ops.reshape(g, v, [v.shape.length === 2 ? batch : 1, groups, channels / groups]);
  const perChannel = (v: Value): Value => ops.reshape(g, v, [batch, channels, 1, 1]);
  const factor = ops.div(g, rowsOf(weight), deviation); // (B, G, C/G)
  const shift = perChannel(ops.sub(g, rowsOf(bias), ops.mul(g, mean, factor)));
  const factors = perChannel(factor);
  return tiles.map((tile) => ops.add(g, ops.mul(g, tile, factors), shift));
}
