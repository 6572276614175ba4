/** A VAE decoder in tiles gives what the whole one gives, and takes less memory. */

import { expect, test } from "vitest";
import { buildVaeDecoder, readVaeConfig } from "../../src/models/vae.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import { cpu } from "../../src/onnx/lower/cpu/cpu.ts";
import { graphMemory } from "../../src/onnx/memory.ts";
import { inTiles } from "../../src/onnx/tiles.ts";
import { goldenPath } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";

const folder = goldenPath("checkpoints/x4-upscaler/vae");
const shape = { batch: 1, height: 16, width: 24 };
const latents = Float32Array.from({ length: 4 * 16 * 24 }, (_, at) => Math.sin(at * 12.9898) * 2);

test.each([30_000, 60_000])("tiles of %d bytes leave no seams", async (tileBytes) => {
  const graph = buildVaeDecoder(await readVaeConfig(folder), shape);
  const striped = inTiles(graph, tileBytes);
  expect(striped).not.toBe(graph);
  const whole = (await runNetwork(graph, folder, { latents })).get("sample");
  const joined = (await runNetwork(striped, folder, { latents })).get("sample");
  expect(joined?.shape).toEqual(whole?.shape);
  const differences = Array.from(whole?.data ?? [], (x, at) => Math.abs(x - (joined?.data[at] ?? NaN)));
  const worst = differences.reduce((top, x) => (x <= top ? top : x), 0);
  expect(worst).toBeLessThan(5e-6);
  expect(worst).not.toBeNaN();
});

test("the same weights are asked for", async () => {
  const graph = buildVaeDecoder(await readVaeConfig(folder), shape);
  const names = (network: typeof graph): string[] => network.parameters.map(({ value }) => value.name).sort();
  expect(names(inTiles(graph, 20_000))).toEqual(names(graph));
});

test("at 1024 pixels nearly half of the memory is saved", async () => {
  const config = await readVaeConfig(folder);
  const graph = buildVaeDecoder(
    { ...config, block_out_channels: [128, 256, 512], norm_num_groups: 32 },
    {
      batch: 1,
      height: 256,
      width: 256,
    },
  );
  const bound = (network: typeof graph): number =>
    graphMemory(
      lower(
        network,
        (name, size) => ({ name, dtype: "float32", shape: size, file: "/none", offset: 0, byteLength: 0 }),
        cpu,
      ),
    ).peakBytes;
  expect(bound(inTiles(graph, 2 ** 25))).toBeLessThan(0.6 * bound(graph));
});

test("a network without large feature maps stays as it is", async () => {
  const graph = buildVaeDecoder(await readVaeConfig(folder), shape);
  expect(inTiles(graph, 2 ** 30)).toBe(graph);
});
