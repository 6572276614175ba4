/** The choice, on machines that are made up: which provider, what is tried, what is said. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { chooseProvider } from "../../src/run/choose-provider.ts";
import { type GpuCount, type MachineProbes, describeMissing } from "../../src/run/machine-probes.ts";
import { hasNvidiaDevice } from "../../src/machine/nvidia.ts";

interface Machine {
  readonly platform?: string;
  readonly nvidia?: boolean;
  /** The provider's own files that are not installed. */
  readonly absent?: readonly string[];
  /** What does not work, and in which words. */
  readonly broken?: Readonly<Record<string, string>>;
  /** The clause on the provider's libraries that are missing. */
  readonly missing?: Readonly<Record<string, string>>;
  /** What is wrong with the provider's installed files. */
  readonly unusable?: string;
  readonly gpus?: GpuCount;
}

function machine({
  platform = "linux/x64",
  nvidia = true,
  absent = [],
  broken = {},
  missing = {},
  unusable,
  gpus,
}: Machine): {
  readonly probes: MachineProbes;
  /** What was loaded to be tried. */
  readonly tried: string[];
} {
  const tried: string[] = [];
  const probes: MachineProbes = {
    platform,
    hasNvidiaDevice: () => nvidia,
    missingFiles: (files) => (files.length === 0 ? [] : absent),
    tryProvider: (name, deviceId) => {
      tried.push(deviceId === undefined ? name : `${name} ${deviceId}`);
      return Promise.resolve(broken[name] ?? null);
    },
    missingLibraries: ({ name }) => Promise.resolve(missing[name]),
    fileProblem: ({ linkedFile }) => (linkedFile === undefined ? undefined : unusable),
    countGpus: () => Promise.resolve(gpus),
  };
  return { probes, tried };
}

describe("auto", () => {
  test("without an NVIDIA GPU: the CPU, and nothing is tried", async () => {
    const { probes, tried } = machine({ nvidia: false });
    expect(await chooseProvider("auto", undefined, probes)).toEqual({
      requested: "auto",
      name: "cpu",
      passedOver: [
        { name: "cuda", problem: "no NVIDIA GPU is here" },
        { name: "webgpu", problem: "no NVIDIA GPU is here" },
      ],
    });
    expect(tried).toEqual([]);
  });

  test("cuda first, on the GPU that is named", async () => {
    const { probes, tried } = machine({});
    expect(await chooseProvider("auto", 1, probes)).toEqual({
      requested: "auto",
      name: "cuda",
      deviceId: 1,
      passedOver: [],
    });
    expect(tried).toEqual(["cuda 1"]);
  });

  test("webgpu where cuda's libraries are not installed; cuda is not loaded then", async () => {
    const { probes, tried } = machine({ absent: ["libonnxruntime_providers_cuda.so"] });
    expect(await chooseProvider("auto", 1, probes)).toEqual({
      requested: "auto",
      name: "webgpu",
      passedOver: [{ name: "cuda", problem: "libonnxruntime_providers_cuda.so not installed (if-gen setup cuda)" }],
    });
    expect(tried).toEqual(["webgpu"]);
  });

  test("the CPU where neither works; each says which library is missing", async () => {
    const { probes, tried } = machine({
      broken: { cuda: "Failed to load shared library", webgpu: "No supported adapters" },
      missing: { cuda: "libcudnn.so.9 missing (install cuDNN 9)", webgpu: "libvulkan.so.1 missing (install it)" },
    });
    const { name, passedOver } = await chooseProvider("auto", undefined, probes);
    expect(name).toBe("cpu");
    expect(passedOver.map(({ problem }) => problem)).toEqual([
      "libcudnn.so.9 missing (install cuDNN 9)",
      "libvulkan.so.1 missing (install it)",
    ]);
    expect(tried).toEqual(["cuda", "webgpu"]);
  });
});

describe("a provider that is named", () => {
  test("cpu is never tried", async () => {
    const { probes, tried } = machine({});
    expect(await chooseProvider("cpu", undefined, probes)).toEqual({ requested: "cpu", name: "cpu", passedOver: [] });
    expect(tried).toEqual([]);
  });

  test("webgpu needs no NVIDIA GPU", async () => {
    const { probes } = machine({ nvidia: false, platform: "darwin/arm64" });
    expect((await chooseProvider("webgpu", undefined, probes)).name).toBe("webgpu");
  });

  test.each([
    ["cuda", { platform: "darwin/arm64" }, /libraries of cuda for linux\/x64 only, and this is darwin\/arm64/],
    ["cuda", { nvidia: false }, /no NVIDIA GPU is here/],
    ["cuda", { absent: ["a.so", "b.so"] }, /a\.so and b\.so not installed \(if-gen setup cuda\)/],
    [
      "cuda",
      { broken: { cuda: "x" }, missing: { cuda: "libcuda.so.1 missing (install it)" } },
      /libcuda\.so\.1 missing \(install it\)/,
    ],
    ["cuda", { unusable: "a.so is of 1.29.0" }, /a\.so is of 1\.29\.0 \(if-gen setup cuda installs the right one\)/],
    ["cuda", { gpus: { all: 2, visible: 0, restriction: "-1" } }, /CUDA_VISIBLE_DEVICES=-1 hides all 2 NVIDIA GPUs/],
    ["cuda", { broken: { cuda: "CUDA failure 100:\n no device." } }, /cannot be used: CUDA failure 100: no device;/],
    [
      "webgpu",
      { broken: { webgpu: "/a/b.cc:136 x::y() status == Success was false. Failed to get a WebGPU adapter" } },
      /cannot be used: Failed to get a WebGPU adapter; with --execution-provider auto/,
    ],
  ] as const)("%s on %j ends the run, with what to do", async (name, given, message) => {
    const chosen = chooseProvider(name, undefined, machine(given).probes);
    await expect(chosen).rejects.toMatchObject({
      code: "PROVIDER",
      exitCode: 9,
      message: expect.stringMatching(message),
    });
  });
});

test("a GPU is not chosen among where there are not several: by name refused, by itself left out", async () => {
  const { probes } = machine({ absent: ["libonnxruntime_providers_cuda.so"] });
  await expect(chooseProvider("cpu", 1, probes)).rejects.toMatchObject({ code: "USAGE" });
  expect(await chooseProvider("auto", 1, probes)).not.toHaveProperty("deviceId");
});

test("a provider of another version is never loaded: it would crash", async () => {
  const { probes, tried } = machine({ unusable: "it is of another version" });
  expect((await chooseProvider("auto", undefined, probes)).name).toBe("webgpu");
  expect(tried).toEqual(["webgpu"]);
});

describe("--device-id", () => {
  test.each([
    [7, { all: 2, visible: 2 }, "--device-id 7 names no GPU: GPUs 0 to 1 are here."],
    [
      1,
      { all: 4, visible: 1, restriction: "2" },
      "--device-id 1 names no GPU: only GPU 0 is here with CUDA_VISIBLE_DEVICES=2.",
    ],
  ])("%s with %j: refused before anything is loaded, also by auto", async (deviceId, gpus, message) => {
    for (const requested of ["auto", "cuda"] as const) {
      const { probes, tried } = machine({ gpus });
      await expect(chooseProvider(requested, deviceId, probes)).rejects.toMatchObject({ code: "USAGE", message });
      expect(tried).toEqual([]);
    }
  });

  test("one that is there", async () => {
    const { probes } = machine({ gpus: { all: 2, visible: 2 } });
    expect(await chooseProvider("cuda", 1, probes)).toMatchObject({ name: "cuda", deviceId: 1 });
  });
});

test("CUDA_VISIBLE_DEVICES that shows no GPU: auto leaves them all alone, webgpu by name takes one", async () => {
  const gpus = { all: 1, visible: 0, restriction: "" };
  const { probes, tried } = machine({ gpus });
  const { name, passedOver } = await chooseProvider("auto", undefined, probes);
  expect(name).toBe("cpu");
  expect(new Set(passedOver.map(({ problem }) => problem))).toEqual(
    new Set(["CUDA_VISIBLE_DEVICES= hides the one NVIDIA GPU"]),
  );
  expect(tried).toEqual([]);
  expect((await chooseProvider("webgpu", undefined, probes)).name).toBe("webgpu");
});

test("what is missing, for which CUDA, and the line to type", () => {
  expect(describeMissing(["libcublas.so.12", "libcudnn.so.9"], 12)).toBe(
    "libcublas.so.12, libcudnn.so.9 missing (install CUDA 12 and cuDNN 9: pip install nvidia-cublas-cu12 nvidia-cudnn-cu12)",
  );
  expect(describeMissing(["libcuda.so.1"], 13)).toMatch(/^libcuda\.so\.1 missing \(install NVIDIA's driver/);
});

test("NVIDIA's devices are told from its other files", () => {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-dev-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(hasNvidiaDevice(join(folder, "none"))).toBe(false);
  mkdirSync(join(folder, "nvidia-caps"));
  writeFileSync(join(folder, "nvidiactl"), "");
  expect(hasNvidiaDevice(folder)).toBe(false);
  writeFileSync(join(folder, "nvidia3"), "");
  expect(hasNvidiaDevice(folder)).toBe(true);
});
