/**
 * @module runtime/hoisted-session
 * A network that runs step after step, with what does not change between steps computed once (onnx/hoist): two sessions,
 * the first of which gives the second further inputs. With webgpu these stay on the card; cuda's results could not, from
 * JavaScript, and carrying them there each step would take longer than computing them again.
 */

import type { Tensor as OrtTensor } from "onnxruntime-node";
import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import { hoist } from "../onnx/hoist.ts";
import { hoistedForm } from "../onnx/lower/providers.ts";
import { weightModeFor } from "../onnx/weight-mode.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import {
  type Feed,
  type Run,
  type SessionSettings,
  numbersOf,
  webgpuChoices,
  withSession,
  withTensors,
} from "./session.ts";

type Tensors = Readonly<Record<string, OrtTensor>>;

/**
 * As withSession.
 * @param varying names of the inputs that differ from run to run. The others may too: then all is computed again.
 * @param kept for how many different feeds of the others results are kept: samples that take turns.
 * @param sparesCard what is computed once is computed on the processor, its weights (0.36 GB of IF-I-XL's) never come to a card.
 */
export async function withHoistedSession<T>(
  graph: Graph,
  { varying, kept, sparesCard = false }: { varying: readonly string[]; kept: number; sparesCard?: boolean },
  weights: WeightTable | null,
  settings: SessionSettings,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const provider = settings.executionProvider;
  const form = hoistedForm(provider, settings.computeType ?? "float32", webgpuChoices(weights));
  const parts = provider === "cuda" ? undefined : hoist(graph, varying, form);
  if (!parts) return withSession(graph, weights, settings, use);
  const { once, rest } = parts;
  const own = { ...settings, weightMode: settings.weightMode ?? weightModeFor(graph) };
  return withTensors(rest, weights, own, "process", (runRest) =>
    withOnce(once, weights, { ...own, sparesCard }, async (computeOnce) => {
      const results = new Kept(kept);
      try {
        return await use(async (feeds) => {
          const fixed = Object.fromEntries(once.inputs.map(({ name }) => [name, feedOf(feeds, name)]));
          const hoisted = results.find(fixed) ?? results.keep(fixed, await computeOnce(fixed));
          return numbersOf(rest, settings, await runRest({ ...feeds, ...hoisted }));
        });
      } finally {
        results.dispose();
      }
    }),
  );
}

/** Lets `use` compute the first part. */
function withOnce<T>(
  once: Graph,
  weights: WeightTable | null,
  { sparesCard, ...settings }: SessionSettings & { sparesCard: boolean },
  use: (compute: (feeds: Readonly<Record<string, Feed>>) => Promise<Tensors>) => Promise<T>,
): Promise<T> {
  if (settings.executionProvider === "cpu") return withTensors(once, weights, settings, "process", use);
  if (!sparesCard) return withTensors(once, weights, settings, "card", use);
  const onCpu: SessionSettings = { ...settings, executionProvider: "cpu", weightMode: "mapped" };
  return withTensors(copyOf(once.outputs), null, settings, "card", (copy) =>
    use((feeds) =>
      withTensors(once, weights, onCpu, "process", async (run) => {
        const copies = await copy(await run(feeds));
        return Object.fromEntries(once.outputs.map(({ name }) => [name, copies[copyName(name)]!]));
      }),
    ),
  );
}

/** The name of a value's copy. */
export const copyName = (name: string): string => `${name}/copy`;

/** Each of the values as it is, under `copyName`: where its session keeps its results. */
export function copyOf(values: readonly Value[]): Graph {
  const g = new GraphBuilder("copies");
  for (const { name, dtype, shape } of values) g.output(copyName(name), g.input(name, dtype, shape));
  return g.finish();
}

function feedOf(feeds: Readonly<Record<string, Feed>>, name: string): Feed {
  const feed = feeds[name];
  if (!feed) throw new Error(`${name} is not fed`);
  return feed;
}

/** Results by what was fed, the oldest going first. */
class Kept {
  readonly #most: number;
  #entries: { readonly feeds: Readonly<Record<string, Feed>>; readonly results: Tensors }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  find(feeds: Readonly<Record<string, Feed>>): Tensors | undefined {
    return this.#entries.find((entry) => Object.entries(feeds).every(([name, feed]) => equal(feed, entry.feeds[name])))
      ?.results;
  }

  /** Feeds are copied: their owner may write over them. */
  keep(feeds: Readonly<Record<string, Feed>>, results: Tensors): Tensors {
    const copies = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, feed.slice()]));
    this.#entries.push({ feeds: copies, results });
    while (this.#entries.length > this.#most) disposeOf(this.#entries.shift()?.results);
    return results;
  }

  dispose(): void {
    for (const { results } of this.#entries) disposeOf(results);
    this.#entries = [];
  }
}

function disposeOf(results: Tensors = {}): void {
  for (const tensor of Object.values(results)) tensor.dispose();
}

const equal = (a: Feed, b: Feed | undefined): boolean =>
  b !== undefined && a.length === b.length && a.every((value, at) => value === b[at]);
