/**
 * @module weights/lora/read-lora
 * A LoRA's file -> its layers: two thin matrices each, whose product is added to a weight. Reads the header, and alphas.
 */

import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "../../errors.ts";
import { reasonOf } from "../../files/regular-file.ts";
import { quote } from "../../text.ts";
import { readJson } from "../file.ts";
import { readSafetensorsHeader, readTensorAsFloat32 } from "../safetensors.ts";
import type { TensorEntry } from "../safetensors-header.ts";
import { type LoraKey, type LoraNetwork, otherKindOf, parseLoraKey } from "./lora-keys.ts";
import { type ScaleOf, scaleFromMetadata, scaleFromSettings, unscaled } from "./lora-scale.ts";

export interface LoraLayer extends Omit<LoraKey, "part"> {
  /** (r, columns); of a convolution (r, C, h, w). */
  readonly down: TensorEntry;
  /** (rows, r); of a convolution (O, r, 1, 1). */
  readonly up: TensorEntry;
  /** alpha / r, or what the file says in its place. */
  readonly scale: number;
}

export interface Lora {
  readonly file: string;
  readonly layers: readonly LoraLayer[];
}

/** What diffusers and peft call a LoRA in a folder. */
const fileNames = ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"];

/**
 * @param path a file, or the folder that it was saved in.
 * @returns the file.
 * @throws {CheckpointError} it is missing, or of a kind that is not read.
 */
export async function findLoraFile(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new CheckpointError(`the LoRA ${path} cannot be read (${reasonOf(cause)}); check --lora.`, { cause });
  });
  if (!found.isDirectory()) {
    if (!/\.(bin|pt|pth|ckpt)$/.test(path)) return path;
    throw new CheckpointError(
      `${path} is a pickle, which could run any program; convert the LoRA to .safetensors and give that file.`,
    );
  }
  for (const name of fileNames) {
    const file = join(path, name);
    if (await stat(file).catch(() => undefined)) return file;
  }
  throw new CheckpointError(`${path} holds no LoRA: neither ${fileNames.join(" nor ")}; give its file.`);
}

/** @throws {CheckpointError} no safetensors file, or not a LoRA of the kinds that are read. */
export async function readLora(file: string): Promise<Lora> {
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const found = new Map<string, Layer>();
  for (const entry of tensors.values()) {
    const key = parseLoraKey(entry.name);
    if (!key) throw notRead(file, entry.name);
    const name = `${key.network ?? ""} ${key.module}`;
    if (found.get(name)?.[key.part])
      throw new CheckpointError(`${file} has ${quote(entry.name)} twice, in two layouts.`);
    found.set(name, { ...found.get(name), ...key, [key.part]: entry });
  }
  if (found.size === 0) throw new CheckpointError(`${file} holds no tensors; it is no LoRA.`);
  const beside = await readSettingsBeside(file);
  const scaleOf = (network: LoraNetwork): ScaleOf => scaleFromMetadata(metadata, network, file) ?? beside ?? unscaled;
  const scales = { unet: scaleOf("unet"), text_encoder: scaleOf("text_encoder") };
  const layers = await Promise.all([...found.values()].map((layer) => finishLayer(file, layer, scales)));
  return { file, layers };
}

type Layer = Omit<LoraKey, "part"> & Partial<Readonly<Record<LoraKey["part"], TensorEntry>>>;

async function finishLayer(
  file: string,
  { network, module, isFlat, down, up, alpha }: Layer,
  scales: Readonly<Record<LoraNetwork, ScaleOf>>,
): Promise<LoraLayer> {
  if (!down || !up) {
    const name = (down ?? up ?? alpha)?.name ?? module;
    throw new CheckpointError(`${file}: ${quote(name)} is there without its other half; the LoRA is not whole.`);
  }
  const rank = down.shape[0] ?? 0;
  const scale = alpha ? (await readAlpha(file, alpha)) / rank : scales[network ?? "unet"](module, rank);
  if (!Number.isFinite(scale))
    throw new CheckpointError(`${file}: ${quote(down.name)} has no rank, or no finite alpha.`);
  return { ...(network ? { network } : {}), module, isFlat, down, up, scale };
}

async function readAlpha(file: string, entry: TensorEntry): Promise<number> {
  const [alpha = Number.NaN, ...more] = await readTensorAsFloat32(file, entry);
  if (more.length === 0) return alpha;
  throw new CheckpointError(`${file}: ${quote(entry.name)} is not one number.`);
}

/** PEFT's own files have their settings beside them. */
async function readSettingsBeside(file: string): Promise<ScaleOf | undefined> {
  if (basename(file) !== "adapter_model.safetensors") return undefined;
  const settings = join(dirname(file), "adapter_config.json");
  return scaleFromSettings(await readJson(settings), settings);
}

function notRead(file: string, name: string): CheckpointError {
  const kind = otherKindOf(name);
  return new CheckpointError(
    kind === undefined
      ? `${file} is no LoRA: ${quote(name)} is no name that a LoRA's tensors have.`
      : `${file} is ${kind} (${quote(name)}); if-gen reads plain LoRAs: a down and an up matrix per layer.`,
  );
}
