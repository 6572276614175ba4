/**
 * @module networks/micro-batches
 * A network made for a smaller batch than is asked of it: the samples take turns. Every input and output has the batch
 * as its first axis, and samples do not know of each other, so the result is the same up to rounding.
 */

import { ShapeError } from "../errors.ts";
import { concatBatch } from "../math/layout.ts";
import { type Tensor, elementCount } from "../math/tensor.ts";
import type { Graph } from "../onnx/graph.ts";
import type { Feed, Run } from "../runtime/session.ts";

/** @returns the largest divisor of `batch` that is at most `maxBatch`. */
export function batchPerTurn(batch: number, maxBatch: number = batch): number {
  for (let own = Math.min(batch, Math.max(1, maxBatch)); own > 1; own--) if (batch % own === 0) return own;
  return 1;
}

/** @returns `run`, which takes a `turns`-th of the batch, as one that takes all of it. */
export function inTurns(run: Run, turns: number): Run {
  if (turns === 1) return run;
  return async (feeds) => {
    const results: ReadonlyMap<string, Tensor>[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const own = Object.entries(feeds).map(([name, feed]): [string, Feed] => [name, share(name, feed, turn, turns)]);
      results.push(await run(Object.fromEntries(own)));
    }
    const names = [...(results[0]?.keys() ?? [])];
    return new Map(names.map((name) => [name, concatBatch(results.flatMap((result) => result.get(name) ?? []))]));
  };
}

/** @returns `run`, of whose inputs some take only the first part of a batch that repeats, as one that takes all of it. */
export function withoutRepeats(run: Run, { inputs }: Pick<Graph, "inputs">): Run {
  return (feeds) => {
    const own = inputs.map(({ name, shape }) => [name, feeds[name]?.subarray(0, elementCount(shape))] as const);
    return run({ ...feeds, ...Object.fromEntries(own.flatMap(([name, feed]) => (feed ? [[name, feed]] : []))) });
  };
}

function share(name: string, feed: Feed, turn: number, turns: number): Feed {
  const length = feed.length / turns;
  if (!Number.isInteger(length)) throw new ShapeError(`${feed.length} numbers of ${name} cannot take ${turns} turns`);
  return feed.subarray(turn * length, (turn + 1) * length);
}
