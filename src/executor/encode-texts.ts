/**
 * @module executor/encode-texts
 * The text stage's work: T5 over the prompts of all jobs. The same text is encoded once, and two texts at a time.
 */

import type { Tensor } from "../math/tensor.ts";
import type { NetworkSettings } from "../networks/open-network.ts";
import { type EncodeText, withTextEncoder } from "../pipelines/text-encoding.ts";
import type { TextStage } from "../plan/plan.ts";
import { noteTruncation } from "./note-truncation.ts";
import type { StageContext } from "./run-stage.ts";
import { writeTensorFile } from "./stage-files.ts";

const WHAT = "encoding the prompt";

/** @param firstJob whose progress is told before any text is encoded. */
export async function encodeTexts(
  { checkpoint, cleanCaption }: TextStage,
  settings: NetworkSettings,
  { jobs, report }: StageContext,
  firstJob: number,
): Promise<void> {
  report({ type: "progress", job: firstJob, step: 0, steps: 1, what: WHAT });
  await withTextEncoder({ checkpoint, cleanCaption, prompts: 1, settings }, async (encode) => {
    const given = await jobs();
    const pairs = given.map(({ prompt, negativePrompt }) => [prompt, negativePrompt] as const);
    // int8 activations have one scale for all that is encoded at once: there a text's partner is part of the result
    const isPaired = settings.textEncoder?.activations === "int8";
    const encoded = isPaired ? encodedPairs(pairs, encode) : encodedTexts(pairs, encode);
    for (const { index: job, folder, prompt, negativePrompt } of given) {
      const [ofPrompt, ofNegative] = await encoded(prompt, negativePrompt);
      const truncated = { prompts: [ofPrompt], negativePrompts: [ofNegative] };
      noteTruncation("T5's", truncated, job, report);
      await writeTensorFile(folder, "prompt_embeds", ofPrompt.embeds);
      await writeTensorFile(folder, "negative_prompt_embeds", ofNegative.embeds);
      report({ type: "progress", job, step: 1, steps: 1, what: WHAT });
      report({ type: "finished", job });
    }
  });
}

interface EncodedOne {
  readonly embeds: Tensor; // (1, L, D)
  readonly truncatedText: string;
}
type Pair = readonly [prompt: string, negativePrompt: string];
type Encoded = (...pair: Pair) => Promise<[EncodedOne, EncodedOne]>;

/** Each pair as a call of its own, once. */
function encodedPairs(pairs: readonly Pair[], encode: EncodeText): Encoded {
  const store = createStore<[EncodedOne, EncodedOne]>(pairs.map((pair) => JSON.stringify(pair)));
  return async (...pair) => {
    const key = JSON.stringify(pair);
    if (!store.has(key)) store.set(key, await encodeTwo(encode, ...pair));
    return store.take(key);
  };
}

/** Each text once, two texts in a call, in the order in which they are needed. */
function encodedTexts(pairs: readonly Pair[], encode: EncodeText): Encoded {
  const store = createStore<EncodedOne>(pairs.flat());
  const waiting = [...new Set(pairs.flat())];
  const textOf = async (text: string): Promise<EncodedOne> => {
    while (!store.has(text)) {
      const [one = text, other = one] = waiting.splice(0, 2);
      const [ofOne, ofOther] = await encodeTwo(encode, one, other);
      store.set(one, ofOne);
      if (other !== one) store.set(other, ofOther);
    }
    return store.take(text);
  };
  return async (prompt, negativePrompt) => [await textOf(prompt), await textOf(negativePrompt)];
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

async function encodeTwo(encode: EncodeText, one: string, other: string): Promise<[EncodedOne, EncodedOne]> {
  const { promptEmbeds, negativePromptEmbeds, prompts, negativePrompts } = await encode([one], [other]);
  return [
    { embeds: copyOf(promptEmbeds), truncatedText: prompts[0]?.truncatedText ?? "" },
    { embeds: copyOf(negativePromptEmbeds), truncatedText: negativePrompts[0]?.truncatedText ?? "" },
  ];
}

/** Of a part: the other one's memory can be given up before it. */
const copyOf = ({ data, shape }: Tensor): Tensor => ({ data: data.slice(), shape });
