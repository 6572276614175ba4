/**
 * @module run/apply-loras
 * Which LoRA changes which stage's network. A file says nothing of its stage, but its layers have the shapes of the network
 * that it was trained with: it goes to the one stage whose UNet has all of them. What it has for T5 goes to T5.
 */

import { join, resolve } from "node:path";
import { loraCache } from "../catalog/derived-caches.ts";
import { CheckpointError, UsageError } from "../errors.ts";
import { hashFile } from "../files/hash-file.ts";
import { storedVariants } from "../networks/description.ts";
import { type PlannedRun, type Stage, diffusionStages } from "../plan/plan.ts";
import type { LoraRequest } from "../plan/request.ts";
import type { StageName } from "../plan/stages.ts";
import { type WeightTable, openWeights } from "../weights/checkpoint.ts";
import type { LoraNetwork } from "../weights/lora/lora-keys.ts";
import { layersFor, matchLora } from "../weights/lora/match-lora.ts";
import type { AppliedLora } from "../weights/lora/merge-lora.ts";
import { type Lora, findLoraFile, readLora } from "../weights/lora/read-lora.ts";
import { type Variant, resolveVariant } from "../weights/variants.ts";

/**
 * @returns the run with each stage's LoRAs.
 * @throws {CheckpointError} a file is missing, is no LoRA, or belongs to none of the run's networks.
 * @throws {UsageError}      a LoRA fits the UNets of several stages.
 */
export async function applyLoras(planned: PlannedRun, loras: readonly LoraRequest[] = []): Promise<PlannedRun> {
  const { variant } = planned;
  const applied = new Map<StageName, AppliedLora[]>();
  for (const { file: given, weight, stage } of loras) {
    const file = resolve(await findLoraFile(given));
    const lora = await readLora(file);
    const names = [...(await textStages(planned, lora, variant)), ...(await unetStages(planned, lora, variant, stage))];
    const one = { file, sha256: await hashFile(file), weight };
    for (const name of names) applied.set(name, [...(applied.get(name) ?? []), one]);
  }
  const merged = planned.stages.map((stage): Stage => {
    const stageLoras = applied.get(stage.name);
    if (!stageLoras || (stage.kind !== "text" && stage.kind !== "diffusion")) return stage;
    const network: LoraNetwork = stage.kind === "text" ? "text_encoder" : "unet";
    return { ...stage, lora: { network, loras: stageLoras, cache: loraCache() } };
  });
  return { ...planned, stages: merged };
}

/** Its layers for T5 have to fit, if it has any and T5 is run. */
async function textStages({ stages }: PlannedRun, lora: Lora, variant: Variant | undefined): Promise<StageName[]> {
  const text = stages.find((stage) => stage.kind === "text" && !stage.readsEmbeds);
  if (!text || layersFor(lora, "text_encoder").length === 0) return [];
  const table = await openNetwork(join(text.checkpoint, "text_encoder"), variant, ["8bit", "fp16", "fp32"]);
  const { fault } = matchLora(lora, "text_encoder", table);
  if (fault === undefined) return [text.name];
  throw new CheckpointError(`${lora.file} changes a text encoder that is not ${text.checkpoint}'s T5: ${fault}.`);
}

async function unetStages(
  planned: PlannedRun,
  lora: Lora,
  variant: Variant | undefined,
  only: StageName | undefined,
): Promise<StageName[]> {
  if (layersFor(lora, "unet").length === 0) return [];
  const stages = diffusionStages(planned).filter(({ name }) => only === undefined || name === only);
  if (stages.length === 0) return []; // of a stage that is not drawn
  const matches = await Promise.all(
    stages.map(async ({ name, checkpoint }) => {
      const table = await openNetwork(join(checkpoint, "unet"), variant, storedVariants);
      return { name, fault: matchLora(lora, "unet", table).fault };
    }),
  );
  const fitting = matches.filter(({ fault }) => fault === undefined).map(({ name }) => name);
  if (fitting.length > 1) {
    const options = fitting.map((name) => `--${name}-lora`);
    throw new UsageError(
      `the LoRA ${lora.file} fits ${fitting.join(" and ")}; say which with ${options.join(" or ")}.`,
    );
  }
  if (fitting.length === 1) return fitting;
  const faults = matches.map(({ name, fault }) => `of ${name}, where ${fault}`).join("; nor ");
  throw new CheckpointError(`the LoRA ${lora.file} was not trained with the UNet ${faults}.`);
}

const openNetwork = async (
  folder: string,
  variant: Variant | undefined,
  published: readonly Variant[],
): Promise<WeightTable> => openWeights(folder, await resolveVariant(folder, variant, published));
