/**
 * @module image/mask
 * What inpainting repaints: an image's white, rectangles and ellipses, together or, inverted, all the rest.
 */

import type { GrayImage } from "./pixels.ts";
import { resizePil } from "./resize-pil.ts";

/** In pixels of the image; it may reach over the edge. An ellipse touches the sides of its rectangle. */
export interface Shape {
  readonly kind: "rectangle" | "ellipse";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * @param file    white is repainted. Of any size: it is fitted to the image.
 * @param image the size of the image that is repainted.
 * @returns       white is repainted; of the image's size, but a lone file keeps its own: as the reference does, it is
 *                resized once, straight to each stage's size.
 */
export function composeMask(
  file: GrayImage | undefined,
  { shapes, invert }: { readonly shapes: readonly Shape[]; readonly invert: boolean },
  image: Size,
): GrayImage {
  const drawn = shapes.length === 0 && file ? file : drawShapes(file, shapes, image);
  return invert ? { ...drawn, data: drawn.data.map((value) => 255 - value) } : drawn;
}

function drawShapes(file: GrayImage | undefined, shapes: readonly Shape[], { width, height }: Size): GrayImage {
  const data = file ? Uint8Array.from(resizePil(file, width, height).data) : new Uint8Array(width * height);
  for (const shape of shapes) {
    for (let y = Math.max(0, shape.y); y < Math.min(height, shape.y + shape.height); y++) {
      for (let x = Math.max(0, shape.x); x < Math.min(width, shape.x + shape.width); x++) {
        if (covers(shape, x + 0.5, y + 0.5)) data[y * width + x] = 255;
      }
    }
  }
  return { data, width, height, channels: 1 };
}

/** Does it cover this point of its rectangle? */
function covers({ kind, x, y, width, height }: Shape, atX: number, atY: number): boolean {
  if (kind === "rectangle") return true;
  const right = (2 * (atX - x)) / width - 1;
  const down = (2 * (atY - y)) / height - 1;
  return right * right + down * down <= 1;
}
