/** Draws with the built program, on the tiny checkpoints, and says what was done. */

import { createHash } from "node:crypto";
import type { Request } from "../../src/plan/request.ts";
import type { DrawSettings, DrawnJob } from "../../src/run/draw.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { importBuilt, tinySettings } from "./tiny-cascade.ts";

const built = await importBuilt<typeof import("../../src/run/draw.ts")>("run/draw");

export const draw = (requests: readonly Request[], settings: Partial<DrawSettings> = {}): Promise<DrawnJob[]> =>
  built.drawRequests(requests, { ...tinySettings, ...settings });

function hash(png: Uint8Array | undefined): string {
  if (!png?.length) throw new Error("an image has no bytes");
  return createHash("sha256").update(png).digest("hex");
}

/** Of each job, one per image. */
export const hashesOf = (jobs: readonly DrawnJob[]): string[][] =>
  jobs.map(({ images }) => images.map(({ png }) => hash(png)));

/** Collects events. */
export function record(): { readonly events: RunEvent[]; readonly onEvent: (event: RunEvent) => void } {
  const events: RunEvent[] = [];
  return { events, onEvent: (event) => void events.push(event) };
}

/** Which jobs made steps in which stages, each once, in order. */
export function workOf(events: readonly RunEvent[]): string[] {
  const steps = events.flatMap((event) =>
    event.type === "step" ? (event.jobs ?? [event.job]).map((job) => `${event.stage} of ${job}`) : [],
  );
  return [...new Set(steps)];
}
