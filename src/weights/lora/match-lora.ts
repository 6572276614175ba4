/**
 * @module weights/lora/match-lora
 * Which weights of a network a LoRA changes. All its layers for a network have to be there, with the right shapes: one that
 * was trained with another network would not be an error in the numbers, only in the images.
 */

import { elementCount } from "../../math/tensor.ts";
import { quote } from "../../text.ts";
import type { WeightTable } from "../checkpoint.ts";
import type { LoraNetwork } from "./lora-keys.ts";
import type { Lora, LoraLayer } from "./read-lora.ts";

export type LoraMatch =
  /** By the weight's name. */
  | { readonly layers: ReadonlyMap<string, LoraLayer>; readonly fault?: undefined }
  /** What does not fit, as the end of a sentence. */
  | { readonly layers?: undefined; readonly fault: string };

/** @returns the layers that a LoRA has for such a network. Those that say nothing are a UNet's, as in IF's days. */
export const layersFor = ({ layers }: Lora, network: LoraNetwork): readonly LoraLayer[] =>
  layers.filter((layer) => (layer.network ?? "unet") === network);

/** @param table the network's weights. */
export function matchLora(lora: Lora, network: LoraNetwork, { tensors }: WeightTable): LoraMatch {
  const weights = [...tensors.keys()].filter((name) => name.endsWith(".weight"));
  const flat = new Map(weights.map((name) => [name.slice(0, -".weight".length).replaceAll(".", "_"), name]));
  const layers = new Map<string, LoraLayer>();
  for (const layer of layersFor(lora, network)) {
    const name = layer.isFlat ? flat.get(layer.module) : `${layer.module}.weight`;
    const shape = tensors.get(name ?? "")?.shape;
    if (name === undefined || !shape) return { fault: `there is no layer ${quote(layer.module)}` };
    if (!fits(layer, shape)) {
      const { down, up } = layer;
      return {
        fault: `${quote(name)} is ${sides(shape)}, but the LoRA's is ${sides(up.shape)} x ${sides(down.shape)}`,
      };
    }
    layers.set(name, layer);
  }
  return { layers };
}

/** up (rows, r) · down (r, columns), a kernel's columns being all that one output sees. */
function fits({ down, up }: LoraLayer, [rows, ...columns]: readonly number[]): boolean {
  const [rank, ...seen] = down.shape;
  const [outputs, inner, ...ones] = up.shape;
  return (
    outputs === rows &&
    inner === rank &&
    ones.every((side) => side === 1) &&
    elementCount(seen) === elementCount(columns) &&
    columns.length > 0
  );
}

const sides = (shape: readonly number[]): string => `[${shape.join(", ")}]`;
