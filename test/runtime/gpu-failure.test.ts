import { expect, test } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { float32ToFloat16 } from "../../src/math/half.ts";
import { nameGpuFailure, checkNumbers } from "../../src/runtime/gpu-failure.ts";

test("a GPU's failure is no mistake of the program and says what to do; a wrong shape stays one", async () => {
  const failed = nameGpuFailure("UNet on cuda", Promise.reject(new Error("out of\n  memory")));
  await expect(failed).rejects.toMatchObject({
    code: "STAGE",
    message: "UNet on cuda failed: out of memory; --execution-provider cpu runs it on the CPU.",
  });
  const shape = new ShapeError("wrong");
  await expect(nameGpuFailure("UNet on cuda", Promise.reject(shape))).rejects.toBe(shape);
  expect(await nameGpuFailure("UNet on cuda", Promise.resolve(7))).toBe(7);
});

test.each([Number.NaN, Infinity, -Infinity])("%d among the results ends the stage", (wrong) => {
  const results = (last: number) => new Map([["out", { data: Float32Array.of(1, last), shape: [2] }]]);
  expect(() => checkNumbers("UNet on webgpu", results(wrong))).toThrow(
    `UNet on webgpu produced ${wrong} in output "out"`,
  );
  expect(() => checkNumbers("UNet on webgpu", results(2))).not.toThrow();
});

test.each([Number.NaN, Infinity, -Infinity])("%d among halves, wherever it is", (wrong) => {
  for (const length of [1, 2, 5, 6]) {
    for (const start of [0, 1]) {
      const largest = new Float32Array(length + start).fill(-65504);
      const check = (values: Float32Array) => () => {
        const data = float32ToFloat16(values).subarray(start);
        checkNumbers("UNet on cuda", new Map([["out", { data, shape: [length] }]]));
      };
      expect(check(largest)).not.toThrow();
      for (let at = start; at < largest.length; at++) {
        expect(check(largest.with(at, wrong))).toThrow(`UNet on cuda produced ${wrong} in output "out"`);
      }
    }
  }
});
