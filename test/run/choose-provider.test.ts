/** The choice, on machines that are made up: which provider, what is tried, what is said. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type MachineProbes, chooseProvider } from "../../src/run/choose-provider.ts";
import { hasNvidiaDevice } from "../../src/machine/gpu-libraries.ts";

interface Machine {
  readonly platform?: string;
  readonly nvidia?: boolean;
  /** The provider's own files that are not installed. */
  readonly absent?: readonly string[];
  /** What does not work, and in which words. */
  readonly broken?: Readonly<Record<string, string>>;
  /** What the system's loader does not find. */
  readonly missing?: readonly string[];
}

function machine({ platform = "linux/x64", nvidia = true, absent = [], broken = {}, missing = [] }: Machine): {
  readonly probes: MachineProbes;
  /** What was loaded to be tried. */
  readonly tried: string[];
} {
  const tried: string[] = [];
  const probes: MachineProbes = {
    platform,
    hasNvidiaDevice: () => nvidia,
    missingFiles: (files) => (files.length > 0 ? absent : []),
    tryProvider: (name, deviceId) => {
      tried.push(deviceId === undefined ? name : `${name} ${deviceId}`);
      return Promise.resolve(broken[name] ?? null);
    },
    missingLibraries: (names) => Promise.resolve(names.filter((name) => missing.includes(name))),
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
      missing: ["libcudnn.so.9", "libcublas.so.12", "libvulkan.so.1"],
    });
    const { name, passedOver } = await chooseProvider("auto", undefined, probes);
    expect(name).toBe("cpu");
    expect(passedOver.map(({ problem }) => problem)).toEqual([
      "libcublas.so.12, libcudnn.so.9 missing (install CUDA 12 and cuDNN 9)",
      "libvulkan.so.1 missing (install libvulkan1 (apt-get install libvulkan1))",
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
      { broken: { cuda: "x" }, missing: ["libcuda.so.1"] },
      /libcuda\.so\.1 missing \(install NVIDIA's driver\)/,
    ],
    ["cuda", { broken: { cuda: "CUDA failure 100:\n no device." } }, /cannot be used: CUDA failure 100: no device;/],
    [
      "webgpu",
      { broken: { webgpu: "/a/b.cc:136 x::y() status == Success was false. Failed to get a WebGPU adapter" } },
      /cannot be used: Failed to get a WebGPU adapter; with --execution-provider auto/,
    ],
  ] as const)("%s on %j ends the run, with what to do", async (requested, given, message) => {
    const chosen = chooseProvider(requested, undefined, machine(given).probes);
    await expect(chosen).rejects.toMatchObject({
      code: "PROVIDER",
      exitCode: 9,
      message: expect.stringMatching(message),
    });
  });
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
