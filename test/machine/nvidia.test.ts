/** Which GPUs are here and which of them CUDA shows, from made-up answers of nvidia-smi. */

import { expect, test } from "vitest";
import { driverTooOld, parseNvidiaSmi, smiName, visibleGpus, visiblePlaces } from "../../src/machine/nvidia.ts";

const gpus = parseNvidiaSmi(
  "NVIDIA H200, 143771, 143120, 580.95.05, GPU-aa11\nTesla T4, 15360, 15095, 580.95.05, GPU-ab22\n\nNo devices\n",
);

test("what nvidia-smi prints", () => {
  expect(gpus).toEqual([
    {
      name: "NVIDIA H200",
      memoryBytes: 143771 * 2 ** 20,
      freeBytes: 143120 * 2 ** 20,
      driver: "580.95.05",
      uuid: "GPU-aa11",
    },
    {
      name: "Tesla T4",
      memoryBytes: 15360 * 2 ** 20,
      freeBytes: 15095 * 2 ** 20,
      driver: "580.95.05",
      uuid: "GPU-ab22",
    },
  ]);
  expect(parseNvidiaSmi("No devices were found\n")).toEqual([]);
});

// CUDA's programming guide: what follows an invalid entry is not shown
test.each([
  [undefined, [0, 1]],
  ["", []],
  ["-1", []],
  ["1", [1]],
  ["1, 0", [1, 0]],
  ["0,7,1", [0]],
  ["0,-1,1", [0]],
  ["0,0", [0]],
  ["GPU-ab", [1]],
  ["GPU-ab22,GPU-aa", [1, 0]],
  ["GPU-a", []], // both begin so
  ["NoDevFiles", []],
  ["MIG-aa11/1/0", undefined],
])("CUDA_VISIBLE_DEVICES=%s shows %j", (CUDA_VISIBLE_DEVICES, places) => {
  const env = CUDA_VISIBLE_DEVICES === undefined ? {} : { CUDA_VISIBLE_DEVICES };
  const uuids = gpus.map(({ uuid }) => uuid);
  expect(visiblePlaces(2, uuids, env)).toEqual(places);
  expect(visibleGpus(gpus, env)).toEqual((places ?? [0, 1]).map((place) => gpus[place]));
});

test("UUIDs that cannot be compared: it cannot be told", () => {
  expect(visiblePlaces(2, [], { CUDA_VISIBLE_DEVICES: "GPU-aa" })).toBeUndefined();
});

test("nvidia-smi is asked for the GPU that CUDA gives this number", () => {
  expect(smiName(1, {})).toBe("1");
  expect(smiName(0, { CUDA_VISIBLE_DEVICES: "2,1" })).toBe("2");
  expect(smiName(1, { CUDA_VISIBLE_DEVICES: "GPU-x, GPU-y" })).toBe("GPU-y");
});

test("drivers that are too old for a CUDA", () => {
  expect(driverTooOld("550.54.15", 13)).toBe(580);
  expect(driverTooOld("580.65.06", 13)).toBeUndefined();
  expect(driverTooOld("550.54.15", 12)).toBeUndefined();
  expect(driverTooOld("470.1", 12)).toBe(525);
  expect(driverTooOld("470.1", undefined)).toBeUndefined();
});
