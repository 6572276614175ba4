/**
 * @module pipelines/join-jobs
 * Several jobs drawn at once: their images are one batch, and each job's share of it is drawn by its own generator, so that
 * every number a job draws is the one it would draw alone.
 */

import { concatBatch, sliceBatch } from "../math/layout.ts";
import type { Generator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import type { OnStep, StepEvent } from "./denoise.ts";
import type { IfJob } from "./if-stage.ts";
import type { Start } from "./start.ts";

export type NonEmpty<T> = readonly [T, ...T[]];

/** @returns how many of so many jobs make a group: groups of one size, as few as there can be with at most `most` each. */
export const groupSize = (jobs: number, most: number): number => Math.ceil(jobs / Math.ceil(jobs / most));

/** Cuts jobs into groups of `size`; the last one may be smaller, and is to be filled up: a network is opened for one size. */
export function groupJobs<Job>(jobs: readonly Job[], size: number): NonEmpty<Job>[] {
  const groups: NonEmpty<Job>[] = [];
  for (let start = 0; start < jobs.length; start += size) {
    groups.push(jobs.slice(start, start + size) as [Job, ...Job[]]);
  }
  return groups;
}

/** @returns `group`, filled up with what `copy` makes of its last job. */
export function filledUp<Job>(group: NonEmpty<Job>, size: number, copy: (job: Job) => Job): NonEmpty<Job> {
  const missing = Array.from({ length: size - group.length }, () => copy(group.at(-1)!));
  return [...group, ...missing] as [Job, ...Job[]];
}

/** @param jobs of one size, that start alike: all from noise, or all from an image, with a mask or without. */
export function joinIfJobs(jobs: NonEmpty<IfJob>): IfJob {
  const [first] = jobs;
  if (jobs.length === 1) return first;
  const positive = jobs.flatMap(({ positivePromptEmbeds }) => positivePromptEmbeds ?? []);
  const styles = jobs.flatMap(({ styleEmbeds }) => styleEmbeds ?? []);
  return {
    promptEmbeds: concatBatch(jobs.map(({ promptEmbeds }) => promptEmbeds)),
    negativePromptEmbeds: concatBatch(jobs.map(({ negativePromptEmbeds }) => negativePromptEmbeds)),
    ...(positive.length > 0 ? { positivePromptEmbeds: concatBatch(positive) } : {}),
    ...(styles.length > 0 ? { styleEmbeds: concatBatch(styles) } : {}),
    imagesPerPrompt: first.imagesPerPrompt,
    start: joinStarts(jobs.map(({ start }) => start)),
    generator: jobs.flatMap(({ generator }) => generator as Generator),
    onStep: (event) => tellEach(jobs, event),
    ...(first.onTile ? { onTile: first.onTile } : {}),
  };
}

function joinStarts(starts: readonly Start[]): Start {
  const images = starts.filter((start) => start.kind === "image");
  const [first] = images;
  if (!first) return starts[0]!;
  const masks = images.flatMap(({ mask }) => mask ?? []);
  return {
    kind: "image",
    pixels: concatBatch(images.map(({ pixels }) => pixels)),
    strength: first.strength,
    ...(first.lessNoiseSteps ? { lessNoiseSteps: first.lessNoiseSteps } : {}),
    ...(masks.length > 0 ? { mask: concatBatch(masks) } : {}),
  };
}

/** Tells each job of a step with its own share of the batch. */
export async function tellEach(jobs: readonly { readonly onStep?: OnStep }[], event: StepEvent): Promise<void> {
  const samples = once(() => splitBatch(event.sample, jobs.length));
  const originals = once(() => splitBatch(event.predOriginalSample, jobs.length));
  for (const [index, { onStep }] of jobs.entries()) {
    const { step, steps, timestep } = event;
    await onStep?.({
      step,
      steps,
      timestep,
      get sample() {
        return samples()[index]!;
      },
      get predOriginalSample() {
        return originals()[index]!;
      },
    });
  }
}

/** Most steps' tensors are not looked at, and may have to be copied to be. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** @returns equal shares of a batch, in order; they share its memory. */
export function splitBatch(x: Tensor, shares: number): Tensor[] {
  const share = (x.shape[0] ?? 0) / shares;
  return Array.from({ length: shares }, (_, index) => sliceBatch(x, index * share, (index + 1) * share));
}
