/**
 * @module models/rrdbnet-file
 * A safetensors file with an ESRGAN's weights -> what network it is. Such files have no config: the shapes say it all. Reads
 * the header alone.
 */

import { stat } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { reasonOf } from "../files/regular-file.ts";
import { quote } from "../text.ts";
import { type WeightEntry, type WeightTable, openWeightFile } from "../weights/checkpoint.ts";
import { type RrdbNetConfig, buildRrdbNet } from "./rrdbnet.ts";
import { rrdbNetNames } from "./rrdbnet-names.ts";

export interface RrdbNetFile {
  readonly config: RrdbNetConfig;
  /** How many times as large as the image the result is. */
  readonly scale: number;
  /** Side of the blocks of pixels that the network takes as channels; 1: pixels. */
  readonly block: number;
  /** By BasicSR's names, whatever the file calls them. */
  readonly weights: WeightTable;
}

/** Four times the published ones': a file that says more is not worth its memory. */
const LIMITS = { blocks: 92, features: 256, doublings: 3 };
const readable: readonly string[] = ["F32", "F16", "BF16"];

/** @throws {CheckpointError} the file is missing, a pickle, no safetensors file, or of another network. */
export async function readRrdbNetFile(path: string): Promise<RrdbNetFile> {
  await checkKind(path);
  const table = await openWeightFile(path);
  const names = rrdbNetNames([...table.tensors.keys()]);
  if (!names) throw unknownNetwork(path, [...table.tensors.keys()]);
  const tensors = new Map(
    [...names].map(([name, networkName]): [string, WeightEntry] => [networkName, table.tensors.get(name)!]), // of these names
  );
  const config = configOf(path, tensors);
  checkTensors(path, tensors, config);
  const block = Math.sqrt(config.inChannels / 3);
  return { config, block, scale: 2 ** config.doublings / block, weights: { ...table, tensors } };
}

async function checkKind(path: string): Promise<void> {
  if (/\.(pth|pt|ckpt|bin)$/i.test(path)) {
    throw new CheckpointError(
      `${path} is a pickle, which could run any program: load it once in Python with torch.load(..., weights_only=True), ` +
        "write its tensors with safetensors.torch.save_file, and give that file (docs/esrgan.md shows how).",
    );
  }
  const found = await stat(path).catch((cause: unknown) => {
    throw new CheckpointError(`the upscaler ${path} cannot be read (${reasonOf(cause)}); check --upscaler-model.`, {
      cause,
    });
  });
  if (found.isDirectory())
    throw new CheckpointError(`${path} is a folder: give the upscaler's .safetensors file itself.`);
}

function configOf(path: string, tensors: ReadonlyMap<string, WeightEntry>): RrdbNetConfig {
  const sides = (name: string): readonly number[] => tensors.get(`${name}.weight`)?.shape ?? [];
  const numbers = (pattern: RegExp): number =>
    new Set([...tensors.keys()].flatMap((name) => pattern.exec(name)?.[1] ?? [])).size;
  const [features = 0, inChannels = 0] = sides("conv_first");
  const [growth = 0] = sides("body.0.rdb1.conv1");
  const [colours = 0] = sides("conv_last");
  const [blocks, doublings] = [numbers(/^body\.(\d+)\./), numbers(/^conv_up(\d+)\./)];
  if (blocks > LIMITS.blocks || Math.max(features, growth) > LIMITS.features || doublings > LIMITS.doublings) {
    throw new CheckpointError(
      `${path}: ${blocks} blocks of ${features} features are more than ${LIMITS.blocks} of ${LIMITS.features}, the most if-gen runs.`,
    );
  }
  const fits = [3, 12, 48].includes(inChannels) && colours === 3 && 3 * 4 ** doublings >= inChannels;
  if (fits) return { blocks, features, growth, inChannels, doublings };
  throw new CheckpointError(
    `${path} makes ${colours} channels of ${inChannels}; if-gen runs upscalers of colour images: 3 channels of 3, 12 or 48.`,
  );
}

/** Each tensor of the network is there in its shape, and none beside them. */
function checkTensors(path: string, tensors: ReadonlyMap<string, WeightEntry>, config: RrdbNetConfig): void {
  const parameters = buildRrdbNet(config, { batch: 1, height: 1, width: 1 }).parameters.map(({ value }) => value);
  for (const { name, shape } of parameters) {
    const entry = tensors.get(name);
    if (!entry) throw new CheckpointError(`${path}: ${quote(name)} of an RRDBNet is missing; download the file again.`);
    if (entry.shape.join() !== shape.join()) {
      throw new CheckpointError(
        `${path}: ${quote(entry.name)} is [${entry.shape.join(", ")}], not [${shape.join(", ")}] as in an RRDBNet of ` +
          `${config.features} features; it is another network.`,
      );
    }
    if (!readable.includes(entry.dtype)) {
      throw new CheckpointError(
        `${path}: ${quote(entry.name)} is ${entry.dtype}; an upscaler's weights are ${readable.join(", ")}.`,
      );
    }
  }
  const parameterNames = new Set(parameters.map(({ name }) => name));
  const [other] = [...tensors].flatMap(([name, entry]) => (parameterNames.has(name) ? [] : [entry.name]));
  if (other !== undefined) {
    throw new CheckpointError(
      `${path}: ${quote(other)} is no tensor of an RRDBNet; it is a kin of it that if-gen does not run.`,
    );
  }
}

/** What else upscalers are published as. */
function unknownNetwork(path: string, names: readonly string[]): CheckpointError {
  const isCompact = names.includes("body.0.weight") && names.includes("body.1.weight");
  const kind = isCompact
    ? "a compact network (SRVGGNetCompact, such as realesr-general-x4v3)"
    : `no RRDBNet (its first tensor is ${quote(names[0] ?? "")})`;
  return new CheckpointError(
    `${path} is ${kind}; if-gen runs ESRGAN's RRDBNet, such as RealESRGAN_x4plus, RealESRGAN_x2plus or 4x-UltraSharp.`,
  );
}
