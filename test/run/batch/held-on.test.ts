import { expect, test } from "vitest";
import { heldOn } from "../../../src/run/batch/held-on.ts";

test("RAM of all workers; GPU memory of those on the same GPU", () => {
  const workers = [
    { device: 0, held: { ram: 1, vram: 10 } },
    { device: 1, held: { ram: 2, vram: 20 } },
    { device: 1, held: { ram: 4, vram: 40 } },
  ];
  expect(heldOn(0, workers)).toEqual({ ram: 7, vram: 10 });
  expect(heldOn(1, workers)).toEqual({ ram: 7, vram: 60 });
  expect(heldOn(2, workers)).toEqual({ ram: 7, vram: 0 });
  expect(heldOn(0, [])).toEqual({ ram: 0, vram: 0 });
});
