/**
 * @module runtime/hoisted-session
 * A network that runs step after step, with what does not change between steps computed once (onnx/hoist): two sessions,
 * the first of which gives the second further inputs. They stay on the device where the provider keeps results there.
 */

import type { Tensor as OrtTensor } from "onnxruntime-node";
import { type Graph, GraphBuilder, type Value } from "../onnx/graph.ts";
import type { HoistedGraph } from "../onnx/hoist.ts";
import { providers } from "../onnx/lower/providers.ts";
import type { WeightTable } from "../weights/checkpoint.ts";
import { type Feed, type Run, type SessionSettings, numbersOf, withTensors } from "./session.ts";
import type { ExecutionProvider } from "../onnx/lower/provider-names.ts";

type Tensors = Readonly<Record<string, OrtTensor>>;

/** A network in two parts, and where the first one runs. */
export interface HoistedParts extends HoistedGraph {
  readonly onceProvider: ExecutionProvider;
}

/**
 * As withSession. Inputs that the first part takes may change: then it is computed again.
 * @param kept for how many different feeds of the first part results are kept: micro-batches.
 */
export async function withHoistedSession<T>(
  { once, rest, onceProvider }: HoistedParts,
  kept: number,
  weights: WeightTable | null,
  settings: SessionSettings,
  use: (run: Run) => Promise<T>,
): Promise<T> {
  return withTensors(rest, weights, settings, "process", (runRest) =>
    withOnce(once, onceProvider, weights, settings, async (computeOnce) => {
      const results = new Kept(kept);
      try {
        return await use(async (feeds, into) => {
          const fixed = Object.fromEntries(once.inputs.map(({ name }) => [name, feedOf(feeds, name)]));
          const hoisted = results.find(fixed) ?? results.keep(fixed, await computeOnce(fixed));
          return numbersOf(rest, settings, await runRest({ ...feeds, ...hoisted }, into), into);
        });
      } finally {
        results.dispose();
      }
    }),
  );
}

/** Lets `use` compute the first part: in a session that stays or, where it runs elsewhere than the rest, in one for each time. */
function withOnce<T>(
  once: Graph,
  onceProvider: ExecutionProvider,
  weights: WeightTable | null,
  settings: SessionSettings,
  use: (compute: (feeds: Readonly<Record<string, Feed>>) => Promise<Tensors>) => Promise<T>,
): Promise<T> {
  const place = !providers[settings.executionProvider].isCpu ? "device" : "process";
  if (onceProvider === settings.executionProvider) return withTensors(once, weights, settings, place, use);
  const elsewhere: SessionSettings = { ...settings, executionProvider: onceProvider, weightMode: "mapped" };
  return withTensors(copyOf(once.outputs), null, settings, place, (copy) =>
    use((feeds) =>
      withTensors(once, weights, elsewhere, "process", async (run) => {
        const copies = await copy(await run(feeds));
        return Object.fromEntries(once.outputs.map(({ name }) => [name, copies[copyName(name)]!]));
      }),
    ),
  );
}

/** The name of a value's copy. */
export const copyName = (name: string): string => `${name}/copy`;

/** Each of the values as it is, under `copyName`: where the session keeps its results. */
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
