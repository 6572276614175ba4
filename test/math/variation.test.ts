import { describe, expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { slerp, variedGenerator } from "../../src/math/variation.ts";

const tensor = (...data: number[]): Tensor => ({ data: new Float32Array(data), shape: [data.length / 2, 2] });
const norm = (data: Float32Array): number => Math.hypot(...data);
const shape = [2, 3, 8, 8];

describe("slerp", () => {
  test("goes along the arc, each sample for itself", () => {
    const half = slerp(tensor(1, 0, 0, 3), tensor(0, 1, 4, 0), 0.5);
    const diagonal = Math.SQRT1_2;
    [diagonal, diagonal, 4 * diagonal, 3 * diagonal].forEach((value, i) => expect(half.data[i]).toBeCloseTo(value, 6));
    const third = slerp(tensor(1, 0), tensor(0, 1), 1 / 3);
    expect(third.data[0]).toBeCloseTo(Math.cos(Math.PI / 6), 6);
    expect(third.data[1]).toBeCloseTo(Math.sin(Math.PI / 6), 6);
  });

  test("its ends are what is mixed; alike directions are mixed straight", () => {
    const [a, b] = [createGenerator(1).randn(shape), createGenerator(2).randn(shape)];
    slerp(a, b, 0).data.forEach((value, i) => expect(value).toBeCloseTo(a.data[i]!, 6));
    slerp(a, b, 1).data.forEach((value, i) => expect(value).toBeCloseTo(b.data[i]!, 6));
    expect([...slerp(tensor(1, 1), tensor(3, 3), 0.25).data]).toEqual([1.5, 1.5]);
  });

  test("noise stays as long as noise", () => {
    const mixed = slerp(createGenerator(1).randn([1, 3, 64, 64]), createGenerator(2).randn([1, 3, 64, 64]), 0.5);
    expect(norm(mixed.data) / Math.sqrt(mixed.data.length)).toBeCloseTo(1, 1);
  });
});

describe("a varied generator", () => {
  test("turns every draw towards the other's; its state is the base's", () => {
    const [base, other] = [createGenerator(7), createGenerator(8)];
    const varied = variedGenerator(createGenerator(7), createGenerator(8), 0.3);
    for (let draw = 0; draw < 3; draw++) {
      expect(varied.randn(shape).data).toEqual(slerp(base.randn(shape), other.randn(shape), 0.3).data);
    }
    expect(varied.saveState()).toEqual(base.saveState());
  });

  test("strength 1 draws what the other seed draws", () => {
    const varied = variedGenerator(createGenerator(7), createGenerator(8), 1);
    const other = createGenerator(8);
    for (let draw = 0; draw < 2; draw++) expect(varied.randn(shape).data).toEqual(other.randn(shape).data);
  });

  test("strength 0 is the base, to the bit", () => {
    const varied = variedGenerator(createGenerator(7), createGenerator(8), 0);
    expect(varied.randn(shape).data).toEqual(createGenerator(7).randn(shape).data);
  });
});
