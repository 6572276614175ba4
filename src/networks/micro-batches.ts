/**
 * @module networks/micro-batches
 * A network made for a smaller batch than is asked of it: the samples go through it a few at a time. Every input and output
 * has the batch as its first axis, and samples do not know of each other, so the result is the same up to rounding.
 */

import { ShapeError } from "../errors.ts";
import { concatBatch } from "../math/layout.ts";
import { type Tensor, elementCount } from "../math/tensor.ts";
import type { Graph } from "../onnx/graph.ts";
import type { Feed, Run } from "../runtime/session.ts";

/** @returns the largest divisor of `batch` that is at most `most`. */
export function microBatchOf(batch: number, most: number = batch): number {
  for (let size = Math.min(batch, Math.max(1, most)); size > 1; size--) if (batch % size === 0) return size;
  return 1;
}

/** @returns `run`, which takes one `count`-th of the batch, as one that takes all of it. */
export function inMicroBatches(run: Run, count: number): Run {
  if (count === 1) return run;
  return async (feeds, into) => {
    const results: ReadonlyMap<string, Tensor>[] = [];
    for (let index = 0; index < count; index++) {
      const parts = Object.entries(feeds).map(([name, feed]): [string, Feed] => [
        name,
        partOf(name, feed, index, count),
      ]);
      const length = (into?.length ?? 0) / count;
      results.push(await run(Object.fromEntries(parts), into?.subarray(index * length, (index + 1) * length)));
    }
    const names = [...(results[0]?.keys() ?? [])];
    const joined = (name: string, at: number): Tensor => {
      const tensors = results.flatMap((result) => result.get(name) ?? []);
      const [batch = 0, ...rest] = tensors[0]?.shape ?? [];
      return into instanceof Float32Array && at === 0
        ? { data: into, shape: [count * batch, ...rest] }
        : concatBatch(tensors);
    };
    return new Map(names.map((name, at) => [name, joined(name, at)]));
  };
}

/** @returns `run`, of whose inputs some take only the first part of a batch that repeats, as one that takes all of it. */
export function withoutRepeats(run: Run, { inputs }: Pick<Graph, "inputs">): Run {
  return (feeds, into) => {
    const firstParts = inputs.flatMap(({ name, shape }) => {
      const feed = feeds[name]?.subarray(0, elementCount(shape));
      return feed ? [[name, feed] as const] : [];
    });
    return run({ ...feeds, ...Object.fromEntries(firstParts) }, into);
  };
}

function partOf(name: string, feed: Feed, index: number, count: number): Feed {
  const length = feed.length / count;
  if (!Number.isInteger(length)) {
    throw new ShapeError(`${feed.length} numbers of ${name} cannot be split into ${count} micro-batches`);
  }
  return feed.subarray(index * length, (index + 1) * length);
}
