/**
 * @module models/time-embedding
 * What a UNet makes of a timestep: sines and cosines, then two linear layers. Shared by both UNets.
 *
 * Letters: B batch, C channels of the sinusoids, D width of the embedding.
 * Source: Ho et al. 2020 (arXiv 2006.11239) App. B, after Vaswani et al. 2017 (arXiv 1706.03762) §3.5; names and
 * rounding as in diffusers' `get_timestep_embedding` and `TimestepEmbedding`.
 */

import type { GraphBuilder, Value } from "../onnx/graph.ts";
import { concat, cos, mul, reshape, sin } from "../onnx/ops.ts";
import { activate, type Activation } from "./activation.ts";
import { linear } from "./layers.ts";

const maxPeriod = 10_000;

export interface TimestepEmbeddingOptions {
  /** Cosines first, then sines; else the other way round. */
  readonly flipSinToCos: boolean;
  /** Taken from C/2 in the exponents' divisor: 0, or 1 to reach a period of 10,000 · 2π exactly. */
  readonly freqShift: number;
}

/**
 * sin and cos of timestep · 10000^(-i / (C/2 - freqShift)), i = 0 ... C/2 - 1.
 * @param timestep (B) float32, may be fractional.
 * @returns (B, channels); an odd last channel is 0.
 */
export function timestepEmbedding(
  g: GraphBuilder,
  timestep: Value,
  channels: number,
  { flipSinToCos, freqShift }: TimestepEmbeddingOptions,
): Value {
  const [batch = 0] = timestep.shape;
  const half = Math.floor(channels / 2);
  const frequencies = g.constant(timestepFrequencies(half, freqShift), [1, half]);
  const angles = mul(g, reshape(g, timestep, [batch, 1]), frequencies); // (B, C/2)
  const waves = flipSinToCos ? [cos(g, angles), sin(g, angles)] : [sin(g, angles), cos(g, angles)];
  if (channels % 2 === 1) waves.push(g.constant(new Float32Array(batch), [batch, 1]));
  return concat(g, waves, 1);
}

/**
 * 10000^(-i / (count - freqShift)), rounded to float32 after each step as torch does: at timestep 1000 the last bit is
 * worth 6e-5 in an angle. (torch's vectorised exp then is one last bit higher for about one in a hundred.)
 */
export function timestepFrequencies(count: number, freqShift: number): Float32Array {
  const logPeriod = Math.fround(-Math.log(maxPeriod));
  return Float32Array.from({ length: count }, (_, i) =>
    Math.exp(Math.fround(Math.fround(logPeriod * i) / Math.fround(count - freqShift))),
  );
}

/**
 * diffusers' TimestepEmbedding: `linear_1`, `act`, `linear_2` and, where given, `postAct`.
 * @param name its scope, e.g. `time_embedding`.
 * @returns x (B, C) -> (B, dim).
 */
export function timeEmbeddingMlp(
  g: GraphBuilder,
  name: string,
  x: Value,
  dim: number,
  { act, postAct = null }: { act: Activation; postAct?: Activation | null },
): Value {
  return g.scope(name, () => {
    const hidden = activate(g, linear(g, "linear_1", x, dim), act); // (B, D)
    const embedding = linear(g, "linear_2", hidden, dim); // (B, D)
    return postAct === null ? embedding : activate(g, embedding, postAct);
  });
}
