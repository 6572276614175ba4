/** A UNet's folder -> its graph at the sizes of a step, and what it is fed. */

import { elementCount } from "../../../src/math/tensor.ts";
import { readIfUnetConfig } from "../../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../../src/models/if-unet.ts";
import { readSdUnetConfig } from "../../../src/models/sd-unet-config.ts";
import { buildSdUnet } from "../../../src/models/sd-unet.ts";
import type { Graph } from "../../../src/onnx/graph.ts";
import type { Feed } from "../../../src/runtime/session.ts";
import { readJson } from "../../../src/weights/file.ts";
import { readSafetensorsHeader, readTensor, readTensorAsFloat32 } from "../../../src/weights/safetensors.ts";

export interface StepShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly textLength: number;
}

/** @param folder `unet/` of IF's stages or of the x4 upscaler: its config tells which. */
export async function openUnet(folder: string, shape: StepShape): Promise<Graph> {
  const config = (await readJson(`${folder}/config.json`)) as Record<string, unknown>;
  if (config["addition_embed_type"] === "text") return buildIfUnet(await readIfUnetConfig(folder), shape);
  const texts = shape.batch === 2 ? 2 : 1; // an image with guidance
  return buildSdUnet(await readSdUnetConfig(folder), { ...shape, batch: shape.batch / texts, textsPerImage: texts });
}

/** A step's inputs and, from the reference's file, the output they should give. */
export interface StepCase {
  readonly feeds: Readonly<Record<string, Feed>>;
  readonly expected?: Float32Array;
}

/** @param file safetensors with the graph's inputs by name, and `expected`. */
export async function readCase(graph: Graph, file: string): Promise<StepCase> {
  const { tensors } = await readSafetensorsHeader(file);
  const entryOf = (name: string) => {
    const entry = tensors.get(name);
    if (!entry) throw new Error(`${file} has no tensor ${name}`);
    return entry;
  };
  const feeds: Record<string, Feed> = {};
  for (const { name, dtype, shape } of graph.inputs) {
    const entry = entryOf(name);
    const [samples = 0, ...rest] = entry.shape;
    if (samples % (shape[0] ?? 0) !== 0 || rest.join() !== shape.slice(1).join()) {
      throw new Error(`${file}: ${name} is [${entry.shape.join(", ")}] and not [${shape.join(", ")}]`);
    }
    const all =
      dtype === "int64" ? ((await readTensor(file, entry)) as BigInt64Array) : await readTensorAsFloat32(file, entry);
    feeds[name] = all.subarray(0, elementCount(shape)); // the same image for both texts
  }
  const expected = await readTensorAsFloat32(file, entryOf("expected"));
  return { feeds, expected: expected.subarray(0, elementCount(graph.outputs[0]?.shape ?? [])) };
}

/** Smooth numbers of the size of real ones, where no file gives any. */
export function plainCase(graph: Graph): StepCase {
  const feeds = graph.inputs.map(({ name, dtype, shape }): [string, Feed] => {
    const count = elementCount(shape);
    if (dtype === "int64") return [name, new BigInt64Array(count).fill(20n)];
    if (name === "timestep" || name === "class_labels") return [name, new Float32Array(count).fill(250)];
    return [name, Float32Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898) * 1.4)];
  });
  return { feeds: Object.fromEntries(feeds) };
}

/** √(Σ(a - b)² / Σb²); NaN where there is one or the sizes differ. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Number.NaN;
  let [difference, size] = [0, 0];
  for (let at = 0; at < expected.length; at++) {
    const expectedValue = expected[at] ?? 0;
    difference += ((actual[at] ?? Number.NaN) - expectedValue) ** 2;
    size += expectedValue ** 2;
  }
  return Math.sqrt(difference / size);
}
