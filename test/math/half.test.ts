import { describe, expect, test } from "vitest";
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16, roundToFloat16 } from "../../src/math/half.ts";

const allBits = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

/** The definition of binary16, in double. */
function valueOf(bits: number): number {
  const sign = bits >>> 15 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bits of one number's nearest half. */
const half = (value: number): number => float32ToFloat16(Float32Array.of(value))[0]!;

describe("float16", () => {
  test("all 65,536 values are read as the definition says", () => {
    const floats = float16ToFloat32(allBits);
    expect(allBits.filter((bits) => !Object.is(floats[bits], valueOf(bits)))).toHaveLength(0);
  });

  test("all but the NaNs survive the way there and back, zeros with their sign", () => {
    const back = float32ToFloat16(float16ToFloat32(allBits));
    expect(allBits.filter((bits) => back[bits] !== bits && !Number.isNaN(valueOf(bits)))).toHaveLength(0);
  });

  test("every NaN stays a NaN", () => {
    const nans = allBits.filter((bits) => Number.isNaN(valueOf(bits)));
    expect(nans).toHaveLength(2046);
    for (const bits of float32ToFloat16(float16ToFloat32(nans))) expect(valueOf(bits)).toBeNaN();
  });

  test("between two neighbours the nearer one is taken, in the middle the even one", () => {
    for (let bits = 0; bits < 0x7bff; bits += 7) {
      const [low, high] = [valueOf(bits), valueOf(bits + 1)];
      const middle = (low + high) / 2;
      expect(half(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(half(middle - (high - low) / 64)).toBe(bits);
      expect(half(-middle - (high - low) / 64)).toBe(0x8000 | (bits + 1));
    }
  });

  test("too large becomes infinity, too small zero", () => {
    expect(half(65519.99)).toBe(0x7bff);
    expect(half(65520)).toBe(0x7c00);
    expect(half(-1e30)).toBe(0xfc00);
    expect(half(-Infinity)).toBe(0xfc00);
    expect(half(2 ** -25)).toBe(0);
    expect(half(2 ** -25 * 1.001)).toBe(1);
    expect(half(-1e-40)).toBe(0x8000);
  });

  test("views inside a buffer are read where they are", () => {
    const floats = Float32Array.of(9, 1, 2).subarray(1);
    expect([...float32ToFloat16(floats)]).toEqual([0x3c00, 0x4000]);
    roundToFloat16(floats);
    expect([...floats]).toEqual([1, 2]);
  });

  test("an output buffer is filled and returned", () => {
    const out = new Float32Array(4).subarray(2);
    expect(float16ToFloat32(Uint16Array.of(0x3c00, 0xc000), out)).toBe(out);
    expect([...out]).toEqual([1, -2]);
  });

  test("rounding in place", () => {
    const values = Float32Array.of(0.1, -3.1413, 1e9);
    roundToFloat16(values);
    expect([...values]).toEqual([0.0999755859375, -3.140625, Infinity]);
  });
});

test("bfloat16 is the upper half of a float32", () => {
  const floats = bfloat16ToFloat32(Uint16Array.of(0x3f80, 0xc049, 0x7f80, 0x0001, 0x7fc0));
  expect([...floats]).toEqual([1, -3.140625, Infinity, 2 ** -133, Number.NaN]);
});
