/**
 * @module image/resample-taps
 * Which input pixels make an output pixel along one axis, and with which weights.
 *
 * Source: behaviour of Pillow 12's Resample.c; weights are normalised in double precision, then rounded to fixed point.
 */

export type Filter = "box" | "bilinear" | "bicubic" | "lanczos";

interface Kernel {
  /** Half the filter's width in input pixels, before it is widened for shrinking. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

export interface Taps {
  /** First input pixel of each output pixel. */
  readonly first: Int32Array;
  /** Number of input pixels of each output pixel. */
  readonly count: Int32Array;
  /** `most` weights per output pixel, of which the first `count` are used; fixed point. */
  readonly weights: Int32Array;
  readonly most: number;
}

const kernels: Readonly<Record<Filter, Kernel>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys 1981, eq. 4 with a = -0.5, in Horner form. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** @returns the taps that bring an axis from `inSize` to `outSize` pixels, weights times 2^`fractionBits`. */
export function createTaps(inSize: number, outSize: number, filter: Filter, fractionBits: number): Taps {
  const { support, weight } = kernels[filter];
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const most = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * most);
  for (let i = 0; i < outSize; i++) {
    const centre = (i + 0.5) * scale;
    first[i] = Math.max(0, Math.trunc(centre - reach + 0.5));
    count[i] = Math.min(inSize, Math.trunc(centre + reach + 0.5)) - first[i]!;
    const raw = Array.from({ length: count[i]! }, (_, k) => weight((k + first[i]! - centre + 0.5) * (1 / stretch)));
    const total = raw.reduce((sum, value) => sum + value, 0);
    raw.forEach((value, k) => {
      weights[i * most + k] = roundAwayFromZero((value / total) * 2 ** fractionBits);
    });
  }
  return { first, count, weights, most };
}

function roundAwayFromZero(value: number): number {
  return Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
}
