/**
 * @module cli/preview
 * A small image as what a terminal shows: by kitty's or iTerm2's protocol, as sixels, or as half blocks, two pixels a cell.
 *
 * Source: kitty, "Terminal graphics protocol"; iTerm2, "Inline images protocol"; DEC STD 070, chapter 9 (sixel);
 * ECMA-48 8.3.117 with 24-bit colours.
 */

import type { Preview } from "../executor/protocol.ts";
import { encodePlainPng } from "../image/plain-png.ts";
import type { GraphicsProtocol } from "../machine/terminal-graphics.ts";

interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface Shown {
  /** What is written at the image's upper left corner; it may leave the cursor anywhere. */
  readonly text: string;
  /** Lines of the terminal that it takes. */
  readonly rows: number;
}

const ROWS = 16;
/** A cell is about twice as high as it is wide. */
const CELL_RATIO = 2;
/** Of most terminals' fonts; a sixel is a pixel. */
const CELL_HEIGHT_PX = 18;
/** kitty's limit for one piece. */
const PIECE = 4096;

/** @param columns of the terminal: the image is narrower. */
export function showPreview({ width, height, rgb }: Preview, protocol: GraphicsProtocol, columns: number): Shown {
  const image = { data: Buffer.from(rgb, "base64"), width, height };
  const rows = Math.max(1, Math.min(ROWS, Math.floor((columns / CELL_RATIO) * (height / width))));
  const cells = Math.max(1, Math.round((rows * CELL_RATIO * width) / height));
  return { text: encoders[protocol](image, cells, rows), rows };
}

const encoders: Readonly<Record<GraphicsProtocol, (image: Pixels, cells: number, rows: number) => string>> = {
  kitty({ data, width, height }, cells, rows) {
    const base64 = Buffer.from(data).toString("base64");
    const pieces = base64.match(new RegExp(`.{1,${PIECE}}`, "g")) ?? [];
    const head = `f=24,s=${width},v=${height},a=T,i=1,q=2,C=1,c=${cells},r=${rows}`; // i: in place of the one before
    return pieces
      .map((piece, index) => {
        const more = `m=${index < pieces.length - 1 ? 1 : 0}`;
        return `\u001b_G${index === 0 ? `${head},${more}` : more};${piece}\u001b\\`;
      })
      .join("");
  },
  iterm2(image, cells, rows) {
    const png = encodePlainPng(image);
    const facts = `inline=1;size=${png.length};width=${cells};height=${rows};preserveAspectRatio=1;doNotMoveCursor=1`;
    return `\u001b]1337;File=${facts}:${png.toString("base64")}\u0007`;
  },
  sixel: (image, _, rows) => encodeSixel(resize(image, sixelSize(image, rows))),
  blocks(image, cells, rows) {
    const small = resize(image, { width: cells, height: 2 * rows });
    const lines = Array.from({ length: rows }, (_, row) => blockLine(small, row));
    return lines.join("\u001b[1B\r");
  },
};

/** The upper pixel is the sign's colour, the lower one its ground. */
function blockLine(image: Pixels, row: number): string {
  const cells = Array.from({ length: image.width }, (_, x) => {
    const [upper, lower] = [colourAt(image, x, 2 * row), colourAt(image, x, 2 * row + 1)];
    return `\u001b[38;2;${upper.join(";")};48;2;${lower.join(";")}m▀`;
  });
  return `${cells.join("")}\u001b[0m`;
}

function sixelSize({ width, height }: Pixels, rows: number): { width: number; height: number } {
  const tall = rows * CELL_HEIGHT_PX;
  return { width: Math.round((tall * width) / height), height: tall };
}

/** A cube of 6 x 6 x 6 colours. */
const LEVELS = 6;

const levelOf = (value: number): number => Math.round((value / 255) * (LEVELS - 1));

/** Bands of six rows; in each, a pass per colour that it has. */
function encodeSixel(image: Pixels): string {
  const index = ([red, green, blue]: Colour): number =>
    (levelOf(red) * LEVELS + levelOf(green)) * LEVELS + levelOf(blue);
  const percent = (level: number): number => Math.round((100 * level) / (LEVELS - 1));
  const palette = Array.from({ length: LEVELS ** 3 }, (_, colour) => {
    const [red, green, blue] = [
      Math.floor(colour / LEVELS ** 2),
      Math.floor(colour / LEVELS) % LEVELS,
      colour % LEVELS,
    ];
    return `#${colour};2;${percent(red)};${percent(green)};${percent(blue)}`;
  });
  const bands: string[] = [];
  for (let top = 0; top < image.height; top += 6) {
    const masks = new Map<number, number[]>();
    for (let y = top; y < Math.min(top + 6, image.height); y++) {
      for (let x = 0; x < image.width; x++) {
        const colour = index(colourAt(image, x, y));
        const mask = masks.get(colour) ?? new Array<number>(image.width).fill(0);
        masks.set(colour, mask);
        mask[x] = (mask[x] ?? 0) | (1 << (y - top));
      }
    }
    bands.push([...masks].map(([colour, mask]) => `#${colour}${sixelRun(mask)}`).join("$"));
  }
  return `\u001bPq"1;1;${image.width};${image.height}${palette.join("")}${bands.join("-")}\u001b\\`;
}

/** `!12~`: twelve of the same. */
const sixelRun = (mask: readonly number[]): string =>
  String.fromCharCode(...mask.map((bits) => 63 + bits)).replaceAll(
    /(.)\1{3,}/gs,
    (run, sign: string) => `!${run.length}${sign}`,
  );

type Colour = readonly [red: number, green: number, blue: number];

function colourAt({ data, width }: Pixels, x: number, y: number): Colour {
  const at = 3 * (y * width + x);
  return [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0];
}

/** Nearest pixels: a preview shows what the network works on. */
function resize(image: Pixels, { width, height }: { width: number; height: number }): Pixels {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = [
        Math.floor(((x + 0.5) * image.width) / width),
        Math.floor(((y + 0.5) * image.height) / height),
      ] as const;
      data.set(colourAt(image, ...from), 3 * (y * width + x));
    }
  }
  return { data, width, height };
}
