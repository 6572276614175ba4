/**
 * @module plan/text-batch
 * How many texts the text stage encodes in one call: the network is built, and its memory predicted, for as many.
 */

import { CPU, type ExecutionProvider } from "../onnx/lower/provider-names.ts";
import type { Job, TextEncoderChoice, TextStage } from "./plan.ts";
import { type JobTexts, negativePromptsOf, promptTexts } from "./prompts.ts";

type EncodedTexts = JobTexts & Pick<Job, "negativePrompt" | "moreNegativePrompts">;

/** All that is encoded for a job: its prompts and negative prompts, and those of single stages. */
const textsOf = (
  { stageNegativePrompts = [] }: Pick<TextStage, "stageNegativePrompts">,
  job: EncodedTexts,
): readonly string[] => [...promptTexts(job), ...negativePromptsOf(job), ...stageNegativePrompts];

/** A prompt and a negative prompt: the fewest that a run of one job has. */
const FEWEST_TEXTS = 2;
/**
 * The most of a batch's. Each call decodes all of T5's weights, whatever the number of texts: with 8, a text took 0.85 of the
 * CPU time that it takes with 2 (two cores, two layers of T5-XXL's width in 8 bits), with 16 not less.
 */
const MOST_TEXTS = 8;

/** What T5 takes in one call. */
export interface TextBatch {
  /** How many texts. */
  readonly texts: number;
  /** Is the empty text encoded beside them, in two rows (models/t5-encoder)? @default false */
  readonly hasEmptyText?: boolean;
}

/**
 * @param provider where T5 runs.
 * @returns all of a job's texts with int8 activations, which have one scale for all of them; otherwise, where a text's company
 * is no part of the result, several jobs'. On the CPU, where a row costs what it takes to compute, the empty one, which most
 * negative prompts are, is encoded beside them.
 */
export function textsAtOnce(
  stage: Pick<TextStage, "stageNegativePrompts">,
  jobs: readonly EncodedTexts[],
  textEncoder: TextEncoderChoice | undefined,
  provider: ExecutionProvider = CPU,
): TextBatch {
  const [first] = jobs;
  if (textEncoder?.activations === "int8") return { texts: first ? textsOf(stage, first).length : FEWEST_TEXTS };
  const different = new Set(jobs.flatMap((job) => textsOf(stage, job)));
  if (provider === CPU && different.size > 1 && different.delete("")) {
    return { texts: Math.min(different.size, MOST_TEXTS), hasEmptyText: true };
  }
  return { texts: Math.min(Math.max(different.size, FEWEST_TEXTS), MOST_TEXTS) };
}
