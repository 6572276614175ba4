/**
 * @module run/batch/take-turns
 * Workers over one list of chunks: each takes the next one when it is done with its last, so that a slow device is no brake, and
 * before that what others could not draw.
 */

import type { Chunk } from "./batch-jobs.ts";
import type { HandOver } from "./hand-over.ts";

/** @returns one worker's turns: resolves when nothing is left for it, or it takes no more. @throws what `run` throws, or the signal's reason. */
export function createTurns(
  chunks: AsyncGenerator<Chunk, void>,
  { handOver, chunkSize, signal }: { handOver: HandOver; chunkSize: number; signal: AbortSignal },
): (worker: number, run: (chunk: Chunk) => Promise<void>) => Promise<void> {
  const nextChunk = createHandedChunks(handOver, chunks, chunkSize);
  return async (worker, run) => {
    try {
      while (!handOver.isRetired(worker)) {
        signal.throwIfAborted();
        const chunk = await nextChunk(worker);
        if (chunk) await run(chunk);
        handOver.end(worker);
        if (!chunk && !(await handOver.mayGetMore(worker, signal))) return;
      }
    } finally {
      handOver.leave(worker);
    }
  };
}

/** What others could not draw comes first. Its chunks are counted downwards from -1. @returns undefined: nothing is left now. */
function createHandedChunks(handOver: HandOver, chunks: AsyncGenerator<Chunk, void>, chunkSize: number) {
  let number = 0;
  let isDone = false;
  return async (worker: number): Promise<Chunk | undefined> => {
    const jobs = handOver.take(worker, chunkSize);
    if (jobs.length > 0) return { number: --number, jobs, bad: [] };
    if (isDone || handOver.isInDoubt(worker)) return undefined;
    handOver.begin(worker); // what it gets may fail: who waits has to wait for that
    const { value, done } = await chunks.next();
    isDone ||= done === true;
    return value ?? undefined;
  };
}
