/**
 * @module executor/encode-texts
 * The text stage's work: T5 over the texts of all jobs. The same text is encoded once, and a few texts at a time.
 */

import { concatBatch, sliceBatch } from "../math/layout.ts";
import type { Tensor } from "../math/tensor.ts";
import type { NetworkSettings } from "../networks/open-network.ts";
import { type EncodeText, withTextEncoder } from "../pipelines/text-encoding.ts";
import type { TextStage } from "../plan/plan.ts";
import { negativePromptsOf, promptTexts } from "../plan/prompts.ts";
import { type TextBatch, textsAtOnce } from "../plan/text-batch.ts";
import { noteTruncation } from "./note-truncation.ts";
import type { StageTask, TaskJob } from "./protocol.ts";
import type { StageContext } from "./run-stage.ts";
import { writeTensorFile } from "./stage-files.ts";

const WHAT = "encoding the prompt";

export async function encodeTexts(
  task: StageTask,
  stage: TextStage,
  settings: NetworkSettings,
  { jobs, report }: StageContext,
): Promise<void> {
  const { checkpoint, cleanCaption, textParts, lora } = stage;
  report({ type: "progress", job: task.jobs[0]?.index ?? 0, step: 0, steps: 1, what: WHAT });
  const batch = textsAtOnce(stage, task.jobs, task.textEncoder, task.executionProvider);
  await withTextEncoder({ checkpoint, cleanCaption, ...batch, textParts, lora, settings }, async (encode) => {
    const given = await jobs();
    const textsOf = (job: TaskJob): JobTexts => jobTexts(job, stage);
    // int8 activations have one scale for all that is encoded at once: there a text's company is part of the result
    const isWhole = task.textEncoder?.activations === "int8";
    const encoded = (isWhole ? encodedJobs : encodedTexts)(given.map(textsOf), encode, batch);
    for (const job of given) {
      const { prompts, negativePrompts } = textsOf(job);
      const all = await encoded({ prompts, negativePrompts });
      const [ofPrompts, ofNegatives] = [all.slice(0, prompts.length), all.slice(prompts.length)];
      noteTruncation("T5's", { prompt: ofPrompts, "negative prompt": ofNegatives }, job.index, report);
      await writeTensorFile(job.folder, "prompt_embeds", concatBatch(ofPrompts.map(({ embeds }) => embeds)));
      await writeTensorFile(job.folder, "negative_prompt_embeds", concatBatch(ofNegatives.map(({ embeds }) => embeds)));
      report({ type: "progress", job: job.index, step: 1, steps: 1, what: WHAT });
      report({ type: "finished", job: job.index });
    }
  });
}

interface JobTexts {
  /** The prompts and, where there are, the positive prompt and the style. */
  readonly prompts: readonly string[];
  /** The run's and those of single stages. */
  readonly negativePrompts: readonly string[];
}

const jobTexts = (job: TaskJob, { stageNegativePrompts = [] }: TextStage): JobTexts => ({
  prompts: promptTexts(job),
  negativePrompts: [...negativePromptsOf(job), ...stageNegativePrompts],
});

interface EncodedOne {
  readonly embeds: Tensor; // (1, parts · L, D)
  readonly truncatedText: string;
}
/** @returns one entry for each prompt, then for each negative prompt. */
type Encoded = (texts: JobTexts) => Promise<EncodedOne[]>;

/** All texts of a job in one call; the same texts once. */
function encodedJobs(all: readonly JobTexts[], encode: EncodeText): Encoded {
  const store = createStore<EncodedOne[]>(all.map((texts) => JSON.stringify(texts)));
  return async (texts) => {
    const key = JSON.stringify(texts);
    if (!store.has(key)) store.set(key, await encodeRow(encode, [...texts.prompts, ...texts.negativePrompts]));
    return store.take(key);
  };
}

/** Each text once, a batch in a call, in the order in which they are needed; an empty one beside the first. */
function encodedTexts(
  all: readonly JobTexts[],
  encode: EncodeText,
  { texts: atOnce, hasEmptyText = false }: TextBatch,
): Encoded {
  const uses = all.flatMap(({ prompts, negativePrompts }) => [...prompts, ...negativePrompts]);
  const store = createStore<EncodedOne>(uses);
  const different = [...new Set(uses)];
  const isBeside = (text: string): boolean => hasEmptyText && text === "";
  const waiting = different.filter((text) => !isBeside(text));
  const beside = different.filter(isBeside);
  const textOf = async (text: string): Promise<EncodedOne> => {
    while (!store.has(text)) {
      const next = waiting.splice(0, atOnce);
      const filled = Array.from({ length: atOnce }, (_, index) => next[index] ?? next[0] ?? text);
      const others = beside.splice(0);
      const encoded = await encodeRow(encode, [...filled, ...others]);
      next.forEach((one, index) => store.set(one, encoded[index]!));
      others.forEach((one, index) => store.set(one, encoded[atOnce + index]!));
    }
    return store.take(text);
  };
  return async ({ prompts, negativePrompts }) => {
    const encoded: EncodedOne[] = [];
    for (const text of [...prompts, ...negativePrompts]) encoded.push(await textOf(text));
    return encoded;
  };
}

/** What is needed again; it is given up after its last use, for thousands of embeddings would fill the memory. */
function createStore<T>(uses: readonly string[]) {
  const left = new Map<string, number>();
  for (const key of uses) left.set(key, (left.get(key) ?? 0) + 1);
  const values = new Map<string, T>();
  return {
    has: (key: string): boolean => values.has(key),
    set: (key: string, value: T): void => void values.set(key, value),
    take(key: string): T {
      const value = values.get(key);
      if (value === undefined) throw new Error("a text is asked for more often than was said");
      const more = (left.get(key) ?? 0) - 1;
      left.set(key, more);
      if (more <= 0) values.delete(key);
      return value;
    },
  };
}

async function encodeRow(encode: EncodeText, [first = "", ...others]: readonly string[]): Promise<EncodedOne[]> {
  const { promptEmbeds, negativePromptEmbeds, prompts, negativePrompts } = await encode([first], others);
  const embeds = concatBatch([promptEmbeds, negativePromptEmbeds]); // a copy: the network may use its memory again
  const tokenized = [...prompts, ...negativePrompts]; // of each text its parts
  const parts = tokenized.length / (others.length + 1);
  return [first, ...others].map((_, row) => ({
    embeds: copyOf(sliceBatch(embeds, row, row + 1)),
    truncatedText:
      tokenized.slice(row * parts, (row + 1) * parts).find((one) => one.truncatedText)?.truncatedText ?? "",
  }));
}

/** Of a part: the other ones' memory can be given up before it. */
const copyOf = ({ data, shape }: Tensor): Tensor => ({ data: data.slice(), shape });
