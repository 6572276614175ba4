import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import {
  type NetworkNeed,
  type StageNeed,
  checkBudget,
  chooseLimits,
  gpuBytesHere,
  judge,
} from "../../src/memory/budget.ts";
import { budgetTable } from "../../src/memory/budget-table.ts";
import { parseBytes } from "../../src/memory/bytes.ts";
import type { SinglePassStage } from "../../src/plan/plan.ts";

const limits = { ramBytes: 4e9, ramSource: "--ram-budget", vramBytes: 15e9 };

function need(stage: StageNeed["stage"], privateBytes: number, mappedBytes: number): StageNeed {
  const peakBytes = privateBytes + mappedBytes;
  const network: NetworkNeed = {
    network: "UNet",
    weightBytes: mappedBytes,
    mappedBytes,
    activationBytes: privateBytes - 1e8,
    overheadBytes: 1e8,
    privateBytes,
    peakBytes,
  };
  return {
    stage,
    networks: [network],
    lowMemory: {},
    privateBytes,
    peakBytes,
    verdict: judge(privateBytes, peakBytes, limits),
  };
}

/** What decides which advice applies. */
const plan = { numImages: 2, stages: [] };

test("both kinds of memory fit, only the private one does, or not even that", () => {
  expect([need("stage-1", 1e9, 2e9), need("stage-1", 3e9, 2e9), need("stage-1", 5e9, 0)].map((n) => n.verdict)).toEqual(
    ["fits", "from disk", "too large"],
  );
});

test("stages that fit one after the other are accepted whatever their sum; one that does not is named, with the table", () => {
  const fitting = [need("stage-1", 1e9, 2.5e9), need("stage-2", 3.9e9, 0)];
  expect(fitting.reduce((sum, { peakBytes }) => sum + peakBytes, 0)).toBeGreaterThan(limits.ramBytes);
  expect(() => checkBudget(fitting, limits, plan)).not.toThrow();
  const failing = [...fitting, need("stage-3", 5e9, 1e9)];
  expect(() => checkBudget(failing, limits, plan)).toThrow(
    expect.objectContaining({
      code: "MEMORY_BUDGET",
      exitCode: 3,
      message: expect.stringMatching(
        /^stage-3 needs 5\.00 GB of memory but the budget is 4\.00 GB.*--num-images.*\n.*\n(.*\n)+.*does not fit$/,
      ) as string,
    }),
  );
});

test("of an ESRGAN that does not fit, smaller tiles are advised", () => {
  const enlarging: SinglePassStage = {
    kind: "single-pass",
    name: "esrgan",
    checkpoint: "/up.safetensors",
    sha256: "0",
    width: 4096,
    height: 4096,
  };
  const failing = [need("esrgan", 5e9, 0)];
  expect(() => checkBudget(failing, limits, { ...plan, stages: [enlarging] })).toThrow("a smaller --tile");
});

test("the GPU has a column where it is used", () => {
  const onGpu = { ...need("stage-3", 2e9, 1e9), gpuBytes: 4e9 };
  const networks = onGpu.networks.map((network) => ({ ...network, gpuBytes: 4e9 }));
  const table = budgetTable([{ ...onGpu, networks }, need("stage-2", 1e9, 1e9)], limits);
  expect(table).toMatch(/peak RAM {3}GPU$/m);
  expect(table).toMatch(/^stage-3 .* 4\.00 {2}fits$/m);
  expect(table).toMatch(/^stage-2 .* {5}- {2}fits$/m);
});

test("the table says what is done to fit", () => {
  const table = budgetTable(
    [{ ...need("stage-3", 2e9, 1e9), lowMemory: { microBatch: 1, tileBytes: 2 ** 26 } }],
    limits,
  );
  expect(table).toMatch(
    /stage-3 +UNet +1\.00 +1\.00 +1\.90 +0\.10 +3\.00 {2}fits, micro-batches of 1, tiled decoding$/m,
  );
});

test.each([
  ["13GB", 13e9],
  ["13gb", 13e9],
  ["12.5 GiB", 12.5 * 2 ** 30],
  ["800M", 8e8],
  ["13000000000", 13e9],
])("%s is an amount of memory", (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each(["", "GB", "-1GB", "1TBB", "0", "1.2.3G", "ten"])("%j is none", (text) => {
  expect(() => parseBytes(text)).toThrow(UsageError);
});

describe("the limits", () => {
  const machine = { bytes: 64e9, source: "machine" };
  test("are what is free, never above a free Colab machine's unless told so", () => {
    expect(chooseLimits(machine, {})).toMatchObject({ ramBytes: 13e9, vramBytes: 15e9 });
    expect(chooseLimits({ ...machine, bytes: 6e9 }, {})).toMatchObject({
      ramBytes: 6e9,
      ramSource: "free in this machine",
    });
    expect(chooseLimits(machine, { budget: "machine" }).ramBytes).toBe(64e9);
    expect(chooseLimits({ ...machine, bytes: 6e9 }, { budget: "colab" }).ramBytes).toBe(13e9);
    expect(chooseLimits(machine, { ram: 20e9, vram: 8e9 })).toMatchObject({ ramBytes: 20e9, vramBytes: 8e9 });
  });

  test.each([
    ["each of several workers has as much, where there is as much", {}, 13e9],
    ["what was asked for is divided", { ram: 20e9 }, 10e9],
    ["so is Colab's", { budget: "colab" }, 6.5e9],
    ["and what is free", { budget: "machine" }, 32e9],
  ] as const)("%s", (_, requested, expected) => {
    expect(chooseLimits(machine, requested, 2).ramBytes).toBe(expected);
  });

  test("of less than that for each worker, what is free is divided", () => {
    expect(chooseLimits({ ...machine, bytes: 20e9 }, {}, 2)).toMatchObject({
      ramBytes: 10e9,
      ramSource: "free in this machine",
    });
  });

  test("of a GPU more than is needed is taken where more than the budget is free", () => {
    const network = { gpuBytes: 9e9, gpuTakesBytes: 16e9 };
    const gpuBytes = (vramFreeBytes?: number): number =>
      gpuBytesHere(network, { ...limits, ...(vramFreeBytes === undefined ? {} : { vramFreeBytes }) });
    expect(gpuBytes(100e9)).toBe(16e9); // it would be ended for it
    expect(gpuBytes(14e9)).toBe(9e9); // it can take no more than there is
    expect(gpuBytes()).toBe(9e9);
    const all = { ...limits, vramBytes: 30e9, vramFreeBytes: 30e9 }; // --budget machine
    expect(gpuBytesHere(network, all)).toBe(16e9);
  });
});
