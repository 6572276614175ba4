/**
 * @module pipelines/esrgan
 * Images through an ESRGAN, one after the other, in one pass each. An image that is larger than a tile goes through tile by
 * tile: of each tile's edges, which the network pads with zeros, a margin is left out, and what is left of the overlap is
 * blended.
 */

import { cropTo, padToMultiple, pixelUnshuffle } from "../math/pixel-shuffle.ts";
import type { Tensor } from "../math/tensor.ts";
import { type EnlargedShape, describeEsrgan } from "../networks/esrgan.ts";
import { type NetworkSettings, withNetwork } from "../networks/open-network.ts";
import { type StartUp, startUp } from "../networks/start-up.ts";
import { type OnTile, dividedTiles, runInTiles } from "./blended-tiles.ts";

export interface EsrganOptions extends EnlargedShape, StartUp {
  /** The network's file. */
  readonly file: string;
  readonly settings: NetworkSettings;
}

/** (1, 3, h, w) in [0, 1] -> (1, 3, s·h, s·w), about [0, 1]. */
export type Enlarge = (image: Tensor, onTile?: OnTile) => Promise<Tensor>;

/** Of an overlap, at each tile's edge. */
const MARGIN_SHARE = 0.25;

/** Opens the network, lets it run as often as is wanted, and gives everything back. @throws {CheckpointError} as describeEsrgan. */
export async function withEsrgan<T>(options: EsrganOptions, use: (enlarge: Enlarge) => Promise<T>): Promise<T> {
  const { network: description, file } = await describeEsrgan(options.file, options);
  const { scale, block } = file;
  const tiles = options.tiles && dividedTiles(options.tiles, scale * block);
  return withNetwork(description, options.settings, async (network) => {
    await startUp(network, description, options);
    const run = (x: Tensor): Promise<Tensor> => network({ image: x.data });
    return use(async (image, onTile) => {
      const [, , height = 0, width = 0] = image.shape;
      const x = pixelUnshuffle(padToMultiple(image, block), block);
      const margin = Math.floor(MARGIN_SHARE * (tiles?.overlap ?? 0));
      const drawn = tiles ? await runInTiles(x, { ...tiles, margin }, scale * block, run, onTile) : await run(x);
      return cropTo(drawn, scale * height, scale * width);
    });
  });
}
