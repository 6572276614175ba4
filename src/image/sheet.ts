/**
 * @module image/sheet
 * Images as one sheet with labels. They are read one after the other, so that memory is that of the sheet and one image.
 */

import { existsSync } from "node:fs";
import sharp from "sharp";
import { InputImageError, OutputError } from "../errors.ts";
import { LINE_PX, canDrawLabels, drawLabel } from "./label.ts";
import type { RgbImage } from "./pixels.ts";

export interface SheetLayout {
  readonly columns: number;
  /** The longest side of an image, in pixels: larger ones are made smaller, no smaller ones larger. */
  readonly cell: number;
  /** Beside each row; none: there is no room for them. */
  readonly rowLabels: readonly string[];
  /** Above each column; none: there is no room for them. */
  readonly columnLabels: readonly string[];
  /** Below each image; none: there is no room for them. */
  readonly captions: readonly string[];
}

/** Of a sheet: 150 MB while it is made. Cells are made smaller where it would have more. */
const MAX_PIXELS = 50e6;
const GAP_PX = 8;
const LABEL_LINES = 3;
const ROW_LABEL_PX = 180;

interface Geometry {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** From one image to the next below: its caption lies between. */
  readonly captionHeight: number;
}

/**
 * @param paths row by row; "": the cell stays empty.
 * @returns a PNG.
 * @throws {InputImageError} an image cannot be read. @throws {OutputError} rows or columns have labels, and there is no font.
 */
export async function drawSheet(paths: readonly string[], given: SheetLayout): Promise<Buffer> {
  const layout = await withFont(given);
  const { columns, rowLabels, columnLabels, captions } = layout;
  const rows = Math.ceil(paths.length / columns);
  const geometry = await measure(paths, layout, rows);
  const { left, top, width, height, captionHeight } = geometry;
  const canvas = blank(
    left + columns * (width + GAP_PX) + GAP_PX,
    top + rows * (height + captionHeight + GAP_PX) + GAP_PX,
  );
  const placeOf = (index: number): readonly [number, number] => [
    left + GAP_PX + (index % columns) * (width + GAP_PX),
    top + GAP_PX + Math.floor(index / columns) * (height + captionHeight + GAP_PX),
  ];
  for (const [index, path] of paths.entries()) {
    const [x, y] = placeOf(index);
    if (path !== "") paint(canvas, await readCell(path, width, height), x, y);
    if (captions[index]) paint(canvas, await drawLabel(captions[index], width, captionHeight), x, y + height);
  }
  for (const [index, label] of columnLabels.entries()) {
    paint(canvas, await drawLabel(label, width, top), placeOf(index)[0], 0);
  }
  for (const [row, label] of rowLabels.entries()) {
    paint(canvas, await drawLabel(label, left, height), 0, placeOf(row * columns)[1]);
  }
  return sharp(canvas.data, { raw: canvas }).png().toBuffer();
}

/** Captions are left out where the machine has no font; rows and columns without labels would mean nothing. */
async function withFont(layout: SheetLayout): Promise<SheetLayout> {
  const { rowLabels, columnLabels, captions } = layout;
  if (rowLabels.length + columnLabels.length + captions.length === 0 || (await canDrawLabels())) return layout;
  if (rowLabels.length + columnLabels.length === 0) return { ...layout, captions: [] };
  throw new OutputError("labels cannot be drawn: there is no font here; install one, such as fonts-dejavu-core.");
}

/** All cells are as large as the first image, made smaller until the sheet is small enough. */
async function measure(paths: readonly string[], layout: SheetLayout, rows: number): Promise<Geometry> {
  const { columns, rowLabels, columnLabels, captions } = layout;
  const first = await sizeOf(paths.find((path) => path !== "") ?? "");
  const left = rowLabels.length > 0 ? ROW_LABEL_PX : 0;
  const top = columnLabels.length > 0 ? LABEL_LINES * LINE_PX : 0;
  const captionHeight = captions.length > 0 ? LINE_PX : 0;
  const area = (side: number): number => {
    const { width, height } = shrunk(first, side);
    return (left + columns * (width + GAP_PX)) * (top + rows * (height + captionHeight + GAP_PX));
  };
  let side = Math.min(layout.cell, Math.max(first.width, first.height));
  while (side > 1 && area(side) > MAX_PIXELS) side = Math.floor(side * 0.9);
  return { left, top, captionHeight, ...shrunk(first, side) };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function shrunk({ width, height }: Size, side: number): Size {
  const factor = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

const sizeOf = (path: string): Promise<Size> => reading(path, async () => sharp(path).metadata());

async function readCell(path: string, width: number, height: number): Promise<RgbImage> {
  return reading(path, async () => {
    const { data, info } = await sharp(path)
      .resize({ width, height, fit: "inside", withoutEnlargement: true })
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: 3 };
  });
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const why = existsSync(path) ? (cause as Error).message : "it is missing";
    throw new InputImageError(`${path} cannot be put on the sheet: ${why}.`, { cause });
  }
}

type Canvas = RgbImage & { readonly data: Uint8Array };

const blank = (width: number, height: number): Canvas => ({
  data: new Uint8Array(3 * width * height).fill(255),
  width,
  height,
  channels: 3,
});

/** Lays an image on the canvas, within it, with its upper left corner at (x, y). */
function paint(canvas: Canvas, { data, width, height }: RgbImage, x: number, y: number): void {
  for (let row = 0; row < height; row++) {
    canvas.data.set(data.subarray(3 * row * width, 3 * (row + 1) * width), 3 * ((y + row) * canvas.width + x));
  }
}
