/**
 * @module networks/esrgan
 * ESRGAN: `image` (1, 3·r², h, w) -> (1, 3, s·r·h, s·r·w). Blocks of r x r pixels are channels, s is the scale.
 */

import { buildRrdbNet } from "../models/rrdbnet.ts";
import { type RrdbNetFile, readRrdbNetFile } from "../models/rrdbnet-file.ts";
import type { SinglePassStage } from "../plan/plan.ts";
import type { NetworkDescription } from "./description.ts";

/** What decides the network's size: the sides of what the stage draws, in pixels, and its tiles. */
export type EnlargedShape = Pick<SinglePassStage, "width" | "height" | "tiles">;

/** @throws {CheckpointError} as readRrdbNetFile. */
export async function describeEsrgan(
  path: string,
  shape: EnlargedShape,
): Promise<{ readonly network: NetworkDescription; readonly file: RrdbNetFile }> {
  const file = await readRrdbNetFile(path);
  const { config, scale, block, weights } = file;
  const { width, height } = shape.tiles ?? shape;
  const cells = (side: number): number => Math.ceil(side / scale / block);
  const sides = { width: cells(width), height: cells(height) };
  const network: NetworkDescription = {
    name: "RRDBNet",
    folder: path,
    published: [],
    weights: "stored",
    open: () => Promise.resolve(weights),
    batch: 1,
    build: (batch) => buildRrdbNet(config, { batch, ...sides }),
    fitsFloat16: true, // Real-ESRGAN's own program runs it so
    canTile: true,
    tileBytes: tailTileBytes(config.features + 4 * config.growth, sides),
    areas: (shape.width * shape.height) / (width * height),
  };
  return { network, file };
}

/**
 * The feature maps after the doublings are the largest by far, and few: with tiles of this size they alone are cut. The hundreds
 * before them, of which the largest is a dense block's joined one, stay whole.
 */
const tailTileBytes = (
  channels: number,
  { width, height }: { readonly width: number; readonly height: number },
): number => Math.ceil((4 * channels * width * height) / 2);
