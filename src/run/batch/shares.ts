/**
 * @module run/batch/shares
 * How long a job took, of the time of the jobs that were drawn with it.
 */

import type { DrawnJob } from "../draw.ts";

/** A job's share of the time: of finished stages an equal one, of the last what passed since the job before was done. */
export function createShares() {
  let since = performance.now();
  return {
    hear(event: { readonly type: string }): void {
      if (event.type === "stage") since = performance.now();
    },
    secondsOf({ plan, stageMs }: DrawnJob): Record<string, number> {
      const now = performance.now();
      const last = plan.stages.at(-1)?.name ?? "";
      const before = [...stageMs].map(([name, ms]) => [name, rounded(ms / plan.jobs.length)] as const);
      const seconds = { ...Object.fromEntries(before), [last]: rounded(now - since) };
      since = now;
      return seconds;
    },
  };
}

const rounded = (ms: number): number => Math.round(ms) / 1000;
