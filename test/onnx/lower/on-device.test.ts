/**
 * The tiny networks on a device itself, where one is named: IF_GEN_TEST_PROVIDERS=webgpu npx vitest run on-device.
 * A software Vulkan device (Mesa's lavapipe) will do; it finds wrong kernels, not slow ones.
 */

import { describe, expect, test, vi } from "vitest";
import { float16ToFloat32, float32ToFloat16 } from "../../../src/math/half.ts";
import { cuda } from "../../../src/onnx/lower/cuda/cuda.ts";
import { cudaVariants } from "../../../src/onnx/lower/cuda/variants.ts";
import { cpu } from "../../../src/onnx/lower/cpu/cpu.ts";
import { providers } from "../../../src/onnx/lower/providers.ts";
import { webgpu } from "../../../src/onnx/lower/webgpu/webgpu.ts";
import { webgpuVariants } from "../../../src/onnx/lower/webgpu/variants.ts";
import { withSession } from "../../../src/runtime/session.ts";
import { openWeights } from "../../../src/weights/checkpoint.ts";
import { referenceVariant } from "../../golden.ts";
import { tinyNetworks } from "./networks.ts";
import { relativeError, runLowered } from "./run-lowered.ts";
import { wideNetworks } from "./wide-networks.ts";

vi.setConfig({ testTimeout: 600_000 }); // a software device compiles each shader for some tenths of a second

const named = (process.env["IF_GEN_TEST_PROVIDERS"] ?? "").split(",");
const networks = await tinyNetworks();
const wide = named.includes("webgpu") || named.includes("cuda") ? await wideNetworks() : [];
/** Not the fused attention, which software devices have wrong; feature maps of the networks' sizes count as large. */
const inBlocks = Object.entries(webgpuVariants)
  .filter(([, { weights, attention }]) => weights === "blocks" && attention === "plain")
  .map(([name, choices]) => [name, { ...choices, piecesFrom: Math.min(choices.piecesFrom, 2 ** 12) }] as const);

describe.each(["cuda", "webgpu"] as const)("on %s", (provider) => {
  const lowering = (computeType: "float16" | "float32") =>
    providers[provider].lowering({ computeType, weightFormat: "stored" });
  describe.skipIf(!named.includes(provider)).each(networks)("$name", ({ name, graph, folder, feeds, expected }) => {
    test("in float32", async () => {
      const output = await runLowered(graph, folder, lowering("float32"), feeds, provider);
      expect(relativeError(output, expected.data)).toBeLessThan(provider === "cuda" ? 4e-3 : 1e-5); // CUDA: in TF32, from 1e-3 to 3.2e-3 on several machines
    });

    /** Where products are summed in float16, a network of these depths is off by 1 to 3 %. */
    test.runIf(name.startsWith("unet"))("in float16", async () => {
      const output = await runLowered(graph, folder, lowering("float16"), feeds, provider);
      expect(relativeError(output, expected.data)).toBeLessThan(3e-2);
    });
  });
});

describe.skipIf(!named.includes("cuda")).each(networks)(
  "on cuda, $name",
  ({ name, graph, folder, feeds, expected }) => {
    test.runIf(name.startsWith("unet")).each(Object.entries(cudaVariants))("as %s, in float16", async (_, choices) => {
      const output = await runLowered(graph, folder, cuda("float16", choices), feeds, "cuda");
      expect(relativeError(output, expected.data)).toBeLessThan(3e-2);
    });

    test.runIf(name.startsWith("unet"))("images in float16, as threads give and take them", async () => {
      const settings = { executionProvider: "cuda", computeType: "float16", narrowsImages: true } as const;
      const weights = await openWeights(folder, await referenceVariant(folder));
      const sample = float32ToFloat16(feeds["sample"] as Float32Array);
      const into = new Uint16Array(new SharedArrayBuffer(2 * expected.data.length));
      await withSession(graph, weights, settings, (run) => run({ ...feeds, sample }, into));
      expect(relativeError(float16ToFloat32(into), expected.data)).toBeLessThan(3e-2);
    });
  },
);

describe.skipIf(!named.includes("cuda")).each(wide)("on cuda, in 8-bit blocks: $name", ({ graph, blocks, feeds }) => {
  test.each([
    ["float32", 3e-3],
    ["float16", 2e-2],
  ] as const)("in %s", async (type, tolerance) => {
    const expected = await runLowered(graph, blocks, cpu, feeds);
    const lowering = providers.cuda.lowering({ computeType: type, weightFormat: "blocks" });
    const output = await runLowered(graph, blocks, lowering, feeds, "cuda", undefined, { weightFormat: "blocks" });
    expect(relativeError(output, expected)).toBeLessThan(tolerance);
  });

  test.each(Object.entries(cudaVariants).filter(([, { folds }]) => !folds))("as %s, in float16", async (_, variant) => {
    const settings = { weightFormat: "blocks", foldsSmall: variant.foldsSmall } as const;
    const lowering = cuda("float16", variant);
    const output = await runLowered(graph, blocks, lowering, feeds, "cuda", undefined, settings);
    expect(relativeError(output, await runLowered(graph, blocks, cpu, feeds))).toBeLessThan(2e-2);
  });
});

describe.skipIf(!named.includes("webgpu")).each(wide)(
  "on webgpu, in 8-bit blocks: $name",
  ({ graph, blocks, feeds }) => {
    describe.each(inBlocks)("%s", (_, choices) => {
      test.each([
        ["float32", 1e-5],
        ["float16", 2e-2],
      ] as const)("in %s", async (type, tolerance) => {
        const expected = await runLowered(graph, blocks, cpu, feeds);
        const output = await runLowered(graph, blocks, webgpu(type, choices), feeds, "webgpu");
        expect(relativeError(output, expected)).toBeLessThan(tolerance);
      });
    });
  },
);
