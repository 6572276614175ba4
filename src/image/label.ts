/**
 * @module image/label
 * A few words as pixels: wrapped, cut where there is no room, in whatever font the machine has.
 */

import sharp from "sharp";
import type { RgbImage } from "./pixels.ts";

export const LINE_PX = 18;
const FONT_PX = 14;
/** Of most fonts' letters, on the safe side; Chinese, Japanese and Korean signs are as wide as the font. */
const LETTER_PX = 0.6 * FONT_PX;
const PADDING_PX = 4;

const columnsOf = (sign: string): number => (sign.codePointAt(0)! >= 0x1100 ? 2 : 1);
const widthOf = (text: string): number => Array.from(text).reduce((sum, sign) => sum + columnsOf(sign), 0);

/** @param columns of a line. @returns at most `most` lines; an ellipsis where something is left out. */
export function wrapText(text: string, columns: number, most: number): string[] {
  const words = text
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .split(" ");
  const lines: string[] = [];
  let line = "";
  for (const word of words.flatMap((one) => pieces(one, columns))) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (widthOf(longer) <= columns) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  if (lines.length <= most) return lines;
  const [last = ""] = lines.slice(most - 1);
  const signs = Array.from(last);
  while (widthOf(signs.join("")) > columns - 1) signs.pop();
  return [...lines.slice(0, most - 1), `${signs.join("")}…`];
}

/** A word that is longer than a line, in parts. */
function pieces(word: string, columns: number): string[] {
  const parts = [""];
  for (const sign of word) {
    if (widthOf(parts.at(-1)! + sign) > columns) parts.push("");
    parts[parts.length - 1] += sign;
  }
  return parts;
}

/** @returns `text` in black on white, in the middle of its height. */
export async function drawLabel(text: string, width: number, height: number): Promise<RgbImage> {
  const data = new Uint8Array(3 * width * height).fill(255);
  const image: RgbImage = { data, width, height, channels: 3 };
  const columns = Math.max(1, Math.floor((width - 2 * PADDING_PX) / LETTER_PX));
  const lines = wrapText(text, columns, Math.max(1, Math.floor(height / LINE_PX)));
  const top = Math.max(0, Math.floor((height - LINE_PX * lines.length) / 2));
  for (const [index, line] of lines.entries()) {
    if (line !== "") await drawLine(image, line, top + index * LINE_PX);
  }
  return image;
}

/** The text as Pango draws it, a mask of ink, cut where the image ends. */
async function drawLine({ data, width, height }: RgbImage, line: string, top: number): Promise<void> {
  const ink = await sharp({ text: { text: escapeMarkup(line), font: `sans ${FONT_PX}`, dpi: 72 } })
    .toColourspace("b-w")
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(() => undefined); // no font
  if (!ink) return;
  const { info } = ink;
  const first = top + Math.max(0, Math.floor((LINE_PX - info.height) / 2));
  for (let y = 0; y < info.height && first + y < height; y++) {
    for (let x = 0; x < info.width && PADDING_PX + x < width; x++) {
      const value = 255 - ink.data[(y * info.width + x) * info.channels]!;
      data.fill(value, 3 * ((first + y) * width + PADDING_PX + x), 3 * ((first + y) * width + PADDING_PX + x + 1));
    }
  }
}

/** Does the machine have a font? Without one, text leaves no ink. */
export const canDrawLabels = async (): Promise<boolean> =>
  (await drawLabel("H", 20, LINE_PX)).data.some((value) => value < 255);

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escapeMarkup = (text: string): string => text.replaceAll(/[&<>"]/g, (sign) => entities[sign] ?? sign);
