/**
 * @module models/layers
 * Layers that several networks share unchanged, each with its weights' names as in the checkpoints:
 * `name`.weight and, where it has one, `name`.bias, under the current scope.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";

/** @returns x (..., I) -> (..., outFeatures). `aliases`: older names of the layer. */
export function linear(
  g: GraphBuilder,
  name: string,
  x: Value,
  outFeatures: number,
  { bias = true, aliases = [] }: { bias?: boolean; aliases?: readonly string[] } = {},
): Value {
  const inFeatures = x.shape.at(-1) ?? 0;
  const named = (part: string): string[] => aliases.map((alias) => `${alias}.${part}`);
  return g.scope(name, () =>
    ops.linear(
      g,
      x,
      parameterBeside(g, name, "weight", [outFeatures, inFeatures], named("weight")),
      bias ? parameterBeside(g, name, "bias", [outFeatures], named("bias")) : null,
    ),
  );
}

/** @returns x (B, C, H, W) -> (B, outChannels, H', W'); the kernel is `kernel` x `kernel`. */
export function conv2d(
  g: GraphBuilder,
  name: string,
  x: Value,
  outChannels: number,
  {
    kernel = 3,
    stride = 1,
    padding = 1,
  }: { kernel?: number; stride?: number; padding?: number | readonly [number, number, number, number] } = {},
): Value {
  const inChannels = x.shape[1] ?? 0;
  return g.scope(name, () =>
    ops.conv2d(
      g,
      x,
      g.parameter("weight", [outChannels, inChannels, kernel, kernel]),
      g.parameter("bias", [outChannels]),
      { stride, padding },
    ),
  );
}

/** @returns x (B, C, ...), normalised in `groups` of channels. */
export function groupNorm(g: GraphBuilder, name: string, x: Value, groups: number, epsilon: number): Value {
  const channels = x.shape[1] ?? 0;
  return g.scope(name, () =>
    ops.groupNorm(g, x, g.parameter("weight", [channels]), g.parameter("bias", [channels]), { groups, epsilon }),
  );
}

/** @returns x (..., D), normalised over the last axis. */
export function layerNorm(g: GraphBuilder, name: string, x: Value, epsilon: number): Value {
  const width = x.shape.at(-1) ?? 0;
  return g.scope(name, () =>
    ops.layerNorm(g, x, g.parameter("weight", [width]), g.parameter("bias", [width]), epsilon),
  );
}

/** A weight of the layer whose scope is open; its older names belong to the scope around. */
function parameterBeside(
  g: GraphBuilder,
  layer: string,
  part: string,
  shape: readonly number[],
  aliases: readonly string[],
): Value {
  const around = g.path.slice(0, g.path.length - layer.length);
  return g.parameter(
    part,
    shape,
    aliases.map((alias) => `${around}${alias}`),
  );
}

/** As many samples as `like` has: what was the same for several texts is theirs apart from here on. */
export const repeatToBatch = (g: GraphBuilder, x: Value, like: Value): Value =>
  ops.repeatBatch(g, x, (like.shape[0] ?? 0) / (x.shape[0] ?? 1));
