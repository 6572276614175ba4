/** Tiny ESRGANs, with the weights that scripts/golden/make-rrdbnet.py makes too, under the names of three generations. */

import { join } from "node:path";
import { type TensorSource, writeSafetensors } from "../../src/weights/safetensors.ts";
import { type RrdbNetConfig, buildRrdbNet } from "../../src/models/rrdbnet.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { float32ToFloat16 } from "../../src/math/half.ts";

import { withFolder } from "./checkpoint-copy.ts";

export const tinyConfig: RrdbNetConfig = { blocks: 2, features: 8, growth: 4, inChannels: 3, doublings: 2 };

/** `count` numbers in [-1, 1). */
export function numbers(seed: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => {
    let x = (Math.imul(index + 1, 2654435761) + Math.imul(seed, 40503)) >>> 0;
    x = Math.imul(x ^ (x >>> 15), 2246822519) >>> 0;
    return ((x ^ (x >>> 13)) >>> 0) / 2 ** 31 - 1;
  });
}

export type Naming = (name: string) => string;

export const namings: Readonly<Record<string, Naming>> = {
  BasicSR: (name) => name,
  "params_ema of BasicSR": (name) => `params_ema.${name}`,
  "the first ESRGAN": (name) =>
    name
      .replace(/^body\.(\d+)\.rdb/, "RRDB_trunk.$1.RDB")
      .replace("conv_body", "trunk_conv")
      .replace("conv_up", "upconv")
      .replace("conv_hr", "HRconv"),
  "a sequence": (name) =>
    name
      .replace("conv_first", "model.0")
      .replace(/^body\.(\d+)\.rdb(\d)\.(conv\d)/, "model.1.sub.$1.RDB$2.$3.0")
      .replace("conv_body", `model.1.sub.${tinyConfig.blocks}`)
      .replace("conv_up1", "model.3")
      .replace("conv_up2", "model.6")
      .replace("conv_hr", "model.8")
      .replace("conv_last", "model.10"),
};

/** @returns all tensors, float32. */
export function tinyEsrgan(
  config: Partial<RrdbNetConfig> = {},
  naming: Naming = (name) => name,
): Map<string, TensorSource> {
  const { parameters } = buildRrdbNet({ ...tinyConfig, ...config }, { batch: 1, height: 1, width: 1 });
  const layers = [...new Set(parameters.map(({ value }) => value.name.replace(/\.\w+$/, "")))];
  return new Map(
    parameters.map(({ value: { name, shape } }): [string, TensorSource] => {
      const seed = 2 * layers.indexOf(name.replace(/\.\w+$/, "")) + (shape.length === 4 ? 1 : 2);
      const factor = Math.fround(shape.length === 4 ? 2 / Math.sqrt(elementCount(shape.slice(1))) : 0.1);
      return [naming(name), { dtype: "F32", shape, data: numbers(seed, elementCount(shape)).map((x) => x * factor) }];
    }),
  );
}

export const inFloat16 = (tensors: ReadonlyMap<string, TensorSource>): Map<string, TensorSource> =>
  new Map(
    [...tensors].map(([name, { shape, data }]): [string, TensorSource] => [
      name,
      { dtype: "F16", shape, data: float32ToFloat16(data as Float32Array) as Uint16Array<ArrayBuffer> },
    ]),
  );

export const writeEsrgan = (path: string, ...made: Parameters<typeof tinyEsrgan>): Promise<void> =>
  writeSafetensors(path, tinyEsrgan(...made));

/** As a component's folder, for what opens those. */
export const withEsrganFolder = <T>(
  tensors: ReadonlyMap<string, TensorSource>,
  use: (folder: string) => Promise<T>,
): Promise<T> =>
  withFolder(async (folder) => {
    await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), tensors);
    return use(folder);
  });
