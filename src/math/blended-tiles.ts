/**
 * @module math/blended-tiles
 * A large image as tiles of one size that overlap, and their results laid back over one another: in an overlap each tile's
 * share falls linearly to its edge, and all shares of a place add up to 1.
 *
 * Letters: B batch, C channels, H and W sides of the image, h and w sides of a tile.
 */

import { type Tensor, elementCount } from "./tensor.ts";

/** Where the tiles of one axis lie. */
export interface Span {
  readonly start: number;
  /** The tile's share at each of its places along the axis, above 0 to 1. */
  readonly shares: Float64Array;
}

export interface TileGrid {
  readonly rows: readonly Span[];
  readonly columns: readonly Span[];
}

export interface TileShape {
  /** Of a tile; a side that is longer than the image's is as long as the image's. */
  readonly width: number;
  readonly height: number;
  /** How far neighbours reach into each other at least; less than half a tile. */
  readonly overlap: number;
  /**
   * How much of a tile's edges is left out where another tile lies there: what was computed too near to an edge. Less than
   * half of the overlap. @default 0
   */
  readonly margin?: number;
}

/** @param scale the grid of an image so many times as large, cut at the same places. */
export const tileGrid = (
  image: { readonly width: number; readonly height: number },
  { width, height, ...overlaps }: TileShape,
  scale = 1,
): TileGrid => ({
  rows: spansOf(image.height, height, overlaps, scale),
  columns: spansOf(image.width, width, overlaps, scale),
});

/** As few tiles as cover the axis with that overlap, evenly spread. */
function spansOf(
  length: number,
  tile: number,
  { overlap, margin = 0 }: Pick<TileShape, "overlap" | "margin">,
  scale: number,
): Span[] {
  const side = Math.min(tile, length);
  const count = length <= tile ? 1 : Math.ceil((length - overlap) / (side - overlap));
  const step = count === 1 ? 0 : (length - side) / (count - 1);
  const starts = Array.from({ length: count }, (_, index) => scale * Math.round(index * step));
  const slope = 1 / (scale * (side - step - 2 * margin) + 1); // over all of the overlap that there is
  const rise = (place: number): number => Math.max(0, Math.min(1, slope * (place - scale * margin)));
  const weight = (start: number, place: number): number =>
    Math.min(
      margin > 0 && start === 0 ? 1 : rise(place + 1), // the image's own edges are no tile's
      margin > 0 && start === starts.at(-1) ? 1 : rise(scale * side - place),
    );
  const sums = new Float64Array(scale * length);
  for (const start of starts)
    for (let place = 0; place < scale * side; place++) sums[start + place]! += weight(start, place);
  return starts.map((start) => ({
    start,
    shares: Float64Array.from({ length: scale * side }, (_, place) => weight(start, place) / sums[start + place]!),
  }));
}

/** @returns each tile's rows and columns, row by row. */
export const tilesOf = ({ rows, columns }: TileGrid): { readonly row: Span; readonly column: Span }[] =>
  rows.flatMap((row) => columns.map((column) => ({ row, column })));

export const countTiles = ({ rows, columns }: TileGrid): number => rows.length * columns.length;

/** (B, C, H, W) -> (B, C, h, w), a copy. */
export function cropTile(x: Tensor, { row, column }: { readonly row: Span; readonly column: Span }): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [h, w] = [row.shares.length, column.shares.length];
  const data = new Float32Array(batch * channels * h * w);
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < h; y++) {
      const from = (plane * height + row.start + y) * width + column.start;
      data.set(x.data.subarray(from, from + w), (plane * h + y) * w);
    }
  }
  return { data, shape: [batch, channels, h, w] };
}

/** Adds a tile's share (B, C, h, w) to `sum` (B, C, H, W), in which all tiles together make the image. */
export function addTile(
  sum: Tensor,
  tile: Tensor,
  { row, column }: { readonly row: Span; readonly column: Span },
): void {
  const [, , height = 0, width = 0] = sum.shape;
  const [h, w] = [row.shares.length, column.shares.length];
  const planes = elementCount(sum.shape.slice(0, 2));
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < h; y++) {
      const [share, from] = [row.shares[y]!, (plane * h + y) * w];
      const to = (plane * height + row.start + y) * width + column.start;
      for (let x = 0; x < w; x++) sum.data[to + x]! += share * column.shares[x]! * tile.data[from + x]!;
    }
  }
}
