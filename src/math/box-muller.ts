/**
 * @module math/box-muller
 * Sixteen uniforms become sixteen normals, in place: radius from the first eight, angle from the last eight.
 *
 * In float32 the last digit depends on how log, sin and cos are approximated. torch's AVX2 kernel uses the Cephes
 * polynomials (Moshier, logf.c and sinf.c) with fused multiply-add, so the same steps are taken here. A product of two
 * float32 numbers is exact in double, so `fround(a * b + c)` is the fused operation, up to a rare double rounding.
 */

const fround = Math.fround;
const twoPi = fround(2 * Math.PI);

/** Coefficients of logf, the highest power of x first. */
const logCoefficients = Float32Array.of(
  7.0376836292e-2,
  -1.151461031e-1,
  1.167699874e-1,
  -1.2420140846e-1,
  1.4249322787e-1,
  -1.6668057665e-1,
  2.0000714765e-1,
  -2.4999993993e-1,
  3.3333331174e-1,
);

// Work space of the eight lanes; Float32Array elements round what is stored in them.
const radius = new Float32Array(8);
const mantissa = new Float32Array(8);
const mantissaBits = new Uint32Array(mantissa.buffer);
const integers = new Int32Array(8);
const xs = new Float64Array(8);
const series = new Float32Array(8);
const sine = new Float32Array(8);
const cosine = new Float32Array(8);
const oneBits = 0x3f800000;
const sqrtHalfBits = 0x3f3504f3;

/** data[start, start + 16): uniforms in [0, 1) → standard normals, float32 steps. */
export function boxMuller16(data: Float32Array, start: number): void {
  fillRadius(data, start);
  fillSineAndCosine(data, start + 8);
  for (let k = 0; k < 8; k++) {
    // Octants 2 and 6 swap sine and cosine; which sign each gets follows from the quadrant. Without branches: they would
    // be mispredicted half of the time.
    const octant = integers[k]!;
    const swap = (octant & 2) << 2;
    data[start + k + swap] = radius[k]! * cosine[k]! * (1 - ((octant & 4) >> 1));
    data[start + k + 8 - swap] = radius[k]! * sine[k]! * (1 - (((octant + 2) & 4) >> 1));
  }
}

/** The same in double; the last digit is JavaScript's, which may differ from the C library's that torch uses. */
export function boxMuller16Double(data: Float64Array, start: number): void {
  for (let j = start; j < start + 8; j++) {
    const length = Math.sqrt(-2 * Math.log(1 - data[j]!));
    const theta = 2 * Math.PI * data[j + 8]!;
    data[j] = length * Math.cos(theta);
    data[j + 8] = length * Math.sin(theta);
  }
}

/**
 * integers, sine, cosine ← octant, sin x, cos x of the angles 2π · data[start, start + 8); Cephes sinf and cosf.
 * 2π · u = octant · π/4 + x with an even octant and x in [-π/4, π/4]; π/4 in three parts, so that x keeps its digits.
 */
function fillSineAndCosine(data: Float32Array, start: number): void {
  for (let k = 0; k < 8; k++) {
    const theta = fround(twoPi * data[start + k]!);
    const octant = (fround(theta * fround(4 / Math.PI)) + 1) & ~1;
    integers[k] = octant;
    xs[k] = fround(fround(theta - octant * 0.78515625) - octant * 2.4187564849853515625e-4);
    xs[k] = fround(xs[k]! - octant * fround(3.774894977445941e-8));
  }
  for (let k = 0; k < 8; k++) {
    const x = xs[k]!;
    const z = fround(x * x);
    const s = fround(fround(fround(-1.9515295891e-4) * z + fround(8.3321608736e-3)) * z - fround(1.6666654611e-1));
    sine[k] = fround(s * z) * x + x;
    const c = fround(
      fround(fround(2.443315711809948e-5) * z - fround(1.388731625493765e-3)) * z + fround(4.166664568298827e-2),
    );
    cosine[k] = fround(fround(c * z) * z - 0.5 * z) + 1;
  }
}

/**
 * radius ← sqrt(-2 ln(1 - u)) of the uniforms data[start, start + 8); the logarithm is Cephes logf.
 * 1 - u = m · 2^e with m in [√½, √2), so ln(1 - u) = ln(1 + x) + e · ln 2 with x = m - 1. Eight at a time, coefficient by
 * coefficient: a single number's chain of roundings would leave the CPU waiting.
 */
function fillRadius(data: Float32Array, start: number): void {
  for (let k = 0; k < 8; k++) mantissa[k] = 1 - data[start + k]!;
  for (let k = 0; k < 8; k++) {
    const shifted = mantissaBits[k]! + (oneBits - sqrtHalfBits);
    integers[k] = (shifted >>> 23) - 127;
    mantissaBits[k] = (shifted & 0x7fffff) + sqrtHalfBits;
  }
  for (let k = 0; k < 8; k++) {
    xs[k] = mantissa[k]! - 1;
    series[k] = logCoefficients[0]!;
  }
  for (let c = 1; c < logCoefficients.length; c++) {
    const coefficient = logCoefficients[c]!;
    for (let k = 0; k < 8; k++) series[k] = series[k]! * xs[k]! + coefficient;
  }
  for (let k = 0; k < 8; k++) {
    const x = xs[k]!;
    const e = integers[k]!;
    const z = fround(x * x);
    const cubic = fround(fround(series[k]! * x) * z + fround(e * fround(-2.1219444e-4))); // ln 2 in two parts
    const logarithm = fround(fround(x + fround(cubic - 0.5 * z)) + e * 0.693359375);
    radius[k] = Math.sqrt(-2 * logarithm);
  }
}
