/**
 * @module executor/run-in-parts
 * A stage's jobs in several processes side by side, each with a part of the jobs, of the threads and of the memory.
 */

import { countCores } from "../machine/cores.ts";
import type { RunState } from "./run-task.ts";
import type { StagePeaks } from "./stage-process.ts";

/**
 * @param jobs  in so many equal `parts`; one part is `run` as it is.
 * @param draw  one of them.
 * @returns what all took together.
 * @throws what the first one that failed threw; the others have ended by then.
 */
export async function runInParts(
  run: RunState,
  jobs: readonly number[],
  parts: number,
  draw: (ofPart: RunState, jobs: readonly number[]) => Promise<StagePeaks>,
): Promise<StagePeaks> {
  if (parts === 1) return draw(run, jobs);
  const stop = new AbortController();
  const { signal, budgetBytes } = run.options;
  const threads = Math.max(1, Math.floor((run.plan.threads ?? countCores()) / parts));
  const plan = { ...run.plan, threads };
  const options = {
    ...run.options,
    signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
    ...(budgetBytes === undefined ? {} : { budgetBytes: Math.floor(budgetBytes / parts) }),
  };
  const { readAhead: _, ...withoutReading } = options; // what the first one reads is there for all
  const results = await Promise.allSettled(
    inEqualParts(jobs, parts).map(async (part, place) => {
      try {
        return await draw({ ...run, plan, options: place === 0 ? options : withoutReading }, part);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  stop.signal.throwIfAborted();
  return sumOfPeaks(results.flatMap((result) => (result.status === "fulfilled" ? result.value : [])));
}

function inEqualParts<T>(all: readonly T[], count: number): T[][] {
  const cut = (part: number): number => Math.round((part * all.length) / count);
  return Array.from({ length: count }, (_, part) => all.slice(cut(part), cut(part + 1)));
}

/** Of processes that map the same files. */
function sumOfPeaks(all: readonly StagePeaks[]): StagePeaks {
  const sum = (of: (peaks: StagePeaks) => number): number => all.reduce((total, peaks) => total + of(peaks), 0);
  const mappedBytes = Math.max(...all.map((peaks) => peaks.mappedBytes));
  return {
    privateBytes: sum((peaks) => peaks.privateBytes),
    mappedBytes,
    residentBytes: sum((peaks) => peaks.residentBytes - peaks.mappedBytes) + mappedBytes,
  };
}
