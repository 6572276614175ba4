/**
 * @module image/gaussian-blur
 * Blurs an image until nothing can be made out, as DeepFloyd's own repository does with images its checker flags:
 * torchvision's GaussianBlur(99, sigma 100), edges mirrored.
 */

import type { RgbImage } from "./pixels.ts";

const RADIUS = 49;
const SIGMA = 100;

/** @returns a new image. */
export function blurBeyondRecognition(image: RgbImage): RgbImage {
  const { width, height } = image;
  const rows = blurLines(Float64Array.from(image.data), { lines: height, length: width, lineStep: 3 * width, step: 3 });
  const both = blurLines(rows, { lines: width, length: height, lineStep: 3, step: 3 * width });
  return { ...image, data: Uint8Array.from(both, Math.round) };
}

interface Lines {
  readonly lines: number;
  readonly length: number;
  /** From a line to the next, and from a pixel of a line to the next, in values. */
  readonly lineStep: number;
  readonly step: number;
}

function blurLines(data: Float64Array, { lines, length, lineStep, step }: Lines): Float64Array {
  const out = new Float64Array(data.length);
  const kernel = gaussian();
  for (let at = 0; at < length; at++) {
    const from = Int32Array.from(kernel, (_, tap) => mirror(at + tap - RADIUS, length) * step);
    for (let line = 0; line < lines; line++) {
      for (let channel = 0; channel < 3; channel++) {
        const start = line * lineStep + channel;
        let sum = 0;
        for (let tap = 0; tap < kernel.length; tap++) sum += kernel[tap]! * data[start + from[tap]!]!;
        out[start + at * step] = sum;
      }
    }
  }
  return out;
}

function gaussian(): Float64Array {
  const raw = Float64Array.from({ length: 2 * RADIUS + 1 }, (_, tap) => Math.exp(-0.5 * ((tap - RADIUS) / SIGMA) ** 2));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return raw.map((weight) => weight / total);
}

/** ... 2 1 | 0 1 2 ... n-1 | n-2 ...: the border itself once; again and again if the image is small. */
function mirror(at: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const phase = ((at % period) + period) % period;
  return phase < length ? phase : period - phase;
}
