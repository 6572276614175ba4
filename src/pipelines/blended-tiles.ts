/**
 * @module pipelines/blended-tiles
 * An image that is larger than its network is opened for: at each step the network predicts tile after tile, and the
 * predictions are blended into one for the whole image, of which there is one sample, one noise and one step. So neighbours
 * agree in each step already, and no seam is left to hide.
 * Source: Jiménez 2023, "Mixture of Diffusers" (arXiv 2302.02412), with linear instead of Gaussian weights.
 */

import { type TileShape, addTile, countTiles, cropTile, tileGrid, tilesOf } from "../math/blended-tiles.ts";
import type { Tensor } from "../math/tensor.ts";
import type { StageTiles } from "../plan/plan.ts";
import type { Predict } from "./denoise.ts";

/** How many tiles of how many are done. */
export type OnTile = (done: number, tiles: number) => void;

/** @returns the tiles of an image whose sides are a `divisor`-th of the drawn one's: latents. */
export const dividedTiles = ({ width, height, overlap }: StageTiles, divisor: number): StageTiles => ({
  width: width / divisor,
  height: height / divisor,
  overlap: Math.floor(overlap / divisor),
});

/**
 * @param predict takes tiles, (B, C, h, w).
 * @param tiles absent: it takes whole images, and is given back as it is.
 * @returns what takes whole images, (B, C, H, W).
 */
export function predictInTiles(predict: Predict, tiles: StageTiles | undefined, onTile?: OnTile): Predict {
  if (!tiles) return predict;
  return (modelInput, timestep) => runInTiles(modelInput, tiles, 1, (tile) => predict(tile, timestep), onTile);
}

/** Runs a network over each tile of `x`, (B, C, H, W). @returns (B, D, scale · H, scale · W). */
export async function runInTiles(
  x: Tensor,
  tiles: TileShape,
  scale: number,
  run: (tile: Tensor) => Promise<Tensor>,
  onTile?: OnTile,
): Promise<Tensor> {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const places = tilesOf(tileGrid({ width, height }, tiles)); // margins change shares, not places
  const targets = tilesOf(tileGrid({ width, height }, tiles, scale));
  let sum: Tensor | undefined;
  for (const [index, place] of places.entries()) {
    const result = await run(cropTile(x, place));
    const channels = result.shape[1] ?? 0;
    sum ??= {
      data: new Float32Array(batch * channels * scale * height * scale * width),
      shape: [batch, channels, scale * height, scale * width],
    };
    addTile(sum, result, targets[index]!);
    onTile?.(index + 1, places.length);
  }
  return sum!;
}

/** @returns how many tiles an image of that size has. */
export const tileCount = (image: { readonly width: number; readonly height: number }, tiles: StageTiles): number =>
  countTiles(tileGrid(image, tiles));
