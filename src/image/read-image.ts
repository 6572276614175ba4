/**
 * @module image/read-image
 * Image files -> RGB or gray bytes, as `PIL.Image.open(path).convert("RGB" | "L")` gives them, and sentences about what in
 * the file did not count.
 *
 * Alpha is dropped, not blended; 16-bit gray is cut off at 255 as Pillow cuts it (other 16-bit images keep their upper byte).
 * Two things differ from Pillow: AVIF with halved chroma (decoders interpolate it differently) and
 * the colour under the transparent pixels of a GIF (black here).
 */

import { stat } from "node:fs/promises";
import { InputImageError } from "../errors.ts";
import { type AlphaMask, type AlphaSummary, maskFromAlpha, summarizeAlpha } from "./alpha.ts";
import { type Decoded, decodeImage } from "./decode.ts";
import { grayFromDecoded, rgbFromDecoded } from "./decoded-pixels.ts";
import type { GrayImage, RgbImage } from "./pixels.ts";

export interface ReadOptions {
  /** Turn and mirror the image as its EXIF data say, as diffusers' `load_image` does. Default true. */
  readonly orient?: boolean;
}

export interface MaskOptions extends ReadOptions {
  /**
   * Take the mask from the alpha channel: what is transparent or what is opaque is repainted. "auto": what is opaque, if that is
   * all white, as a brush paints it; else what is transparent, as an image with a hole has it. Absent: from the brightness.
   */
  readonly fromAlpha?: AlphaMask | "auto" | undefined;
  /** The image that is repainted: the same file for both is refused, unless the mask is taken from its alpha. */
  readonly imagePath?: string | undefined;
}

/** An image, and sentences for the user about it. */
export type Noted<T> = T & { readonly notes: readonly string[] };

/**
 * @returns the image in RGB.
 * @throws {InputImageError} no such file, not an image, damaged, cut short, or too big.
 */
export async function readImage(path: string, { orient = true }: ReadOptions = {}): Promise<Noted<RgbImage>> {
  const decoded = await decodeImage(path, orient);
  const notes = [...fileNotes(path, decoded), ...transparencyNotes(path, summaryOf(decoded))];
  return { ...rgbFromDecoded(decoded), notes };
}

/**
 * @returns the mask in gray: white is painted anew, black is kept.
 * @throws {InputImageError} no such file, not an image, damaged, cut short, too big; its brightness is no mask (white
 *                           everywhere beside an alpha channel that draws something; the image itself); no alpha to take.
 */
export async function readMask(
  path: string,
  { orient = true, fromAlpha, imagePath }: MaskOptions = {},
): Promise<Noted<GrayImage>> {
  if (fromAlpha === undefined && imagePath !== undefined && (await isSameFile(path, imagePath))) {
    throw new InputImageError(
      `${path} is the image itself, whose brightness is no mask; give a mask of its own, or ${askForAlpha}.`,
    );
  }
  const decoded = await decodeImage(path, orient, false);
  const alpha = summaryOf(decoded);
  if (fromAlpha !== undefined) return readAlphaMask(path, decoded, alpha, fromAlpha);
  const notes = fileNotes(path, decoded);
  const gray = grayFromDecoded(decoded);
  if (alpha?.varies === true && !alpha.isBright) {
    if (gray.data.every((value) => value > 127)) {
      throw new InputImageError(
        `${path} is white everywhere, which would repaint all; its shape lies in its alpha channel: ${askForAlpha}.`,
      );
    }
    notes.push(`${path} has an alpha channel, which does not count: what is white is repainted; ${askForAlpha}.`);
  }
  return { ...gray, notes };
}

const askForAlpha = "--mask-from-alpha takes the mask from its alpha channel";

function readAlphaMask(
  path: string,
  decoded: Decoded,
  alpha: AlphaSummary | undefined,
  requested: AlphaMask | "auto",
): Noted<GrayImage> {
  if (decoded.kind !== "bytes" || alpha === undefined) {
    throw new InputImageError(
      `${path} has no alpha channel to take the mask from; without that option white is repainted.`,
    );
  }
  if (!alpha.varies)
    throw new InputImageError(`${path} has an alpha channel that is the same everywhere: it marks nothing.`);
  const repaints = requested === "auto" ? (alpha.isWhereSeenWhite ? "opaque" : "transparent") : requested;
  const notes = requested === "auto" ? [`${path}: what is ${repaints} is repainted.`] : [];
  return { ...maskFromAlpha(decoded, repaints), notes };
}

const summaryOf = (decoded: Decoded): AlphaSummary | undefined =>
  decoded.kind === "bytes" ? summarizeAlpha(decoded) : undefined;

/** What is true of an image's file whatever it is read for. */
function fileNotes(path: string, decoded: Decoded): string[] {
  const notes = [];
  if (decoded.pages > 1) notes.push(`${path} holds ${decoded.pages} images; the first is used.`);
  if (decoded.kind === "gray16" && decoded.data.some((value) => value > 255 && value < 65535)) {
    notes.push(
      `${path} is gray with 16 bits: as in Pillow, all but its darkest 256 shades are white; save it with 8 bits to keep them.`,
    );
  }
  return notes;
}

function transparencyNotes(path: string, alpha: AlphaSummary | undefined): string[] {
  if (alpha === undefined || alpha.transparentShare === 0) return [];
  const share = alpha.transparentShare < 0.01 ? "less than 1" : String(Math.round(100 * alpha.transparentShare));
  const beneath = alpha.hidesBlack ? "mostly black" : "whatever colour the file keeps there";
  return [
    `${path} is transparent in ${share} % of its pixels; as in diffusers, what lies beneath is used: ${beneath}. ` +
      "Put it on a background of your own to decide that.",
  ];
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev;
}
