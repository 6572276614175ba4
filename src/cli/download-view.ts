/**
 * @module cli/download-view
 * Download events -> lines on standard error: a line that is redrawn on a terminal, a line per file in a pipe.
 */

import type { DownloadEvent } from "../hub/types.ts";
import { formatDuration } from "./format.ts";
import { type Part, type Terminal, createLiveLine, partText } from "./line.ts";
import { formatBytes } from "../machine/bytes.ts";

export interface DownloadView {
  readonly update: (repo: string, event: DownloadEvent) => void;
  /** Ends the line that is being drawn. */
  readonly close: () => void;
}

const REDRAW_MS = 100;

/** @param now milliseconds, for tests. */
export function createDownloadView(terminal: Terminal, now: () => number = () => performance.now()): DownloadView {
  let start = { at: 0, doneBytes: 0 };
  let drawnAt = -Infinity;
  const line = createLiveLine(terminal);
  return {
    update(repo, event) {
      if (event.kind === "start") {
        start = { at: now(), doneBytes: event.totalBytes - event.missingBytes };
        if (event.missingBytes > 0)
          line.print(`${repo}: fetching ${formatBytes(event.missingBytes)} of ${formatBytes(event.totalBytes)}`);
      } else if (event.kind === "progress") {
        if (now() - drawnAt < REDRAW_MS) return;
        drawnAt = now();
        line.draw(progressParts(repo, event, start.doneBytes, (now() - start.at) / 1000));
      } else if (event.kind === "retry") {
        line.print(
          `${event.path}: ${event.notice.message} Trying again in ${Math.ceil(event.notice.delayMs / 1000)} s.`,
        );
      } else if (event.kind === "wait") {
        line.print(`${event.path}: another process is fetching it; waiting.`);
      } else if (!terminal.isTTY) line.print(`  ${event.path}`);
    },
    close: line.clear,
  };
}

/** `██████░░░░  3.20 of 17.1 GB  45.0 MB/s  5:02 left`, over all files of the repository. */
function progressParts(
  repo: string,
  { totalDoneBytes, totalBytes }: Extract<DownloadEvent, { kind: "progress" }>,
  doneAtStart: number,
  seconds: number,
): readonly Part[] {
  const rate = seconds > 0 ? (totalDoneBytes - doneAtStart) / seconds : 0;
  return [
    { text: partText(repo), rank: 1 },
    { bar: totalBytes === 0 ? 1 : totalDoneBytes / totalBytes, rank: 2 },
    { text: `${formatBytes(totalDoneBytes)} of ${formatBytes(totalBytes)}`, rank: 4 },
    { text: rate > 0 ? `${formatBytes(rate)}/s` : "", rank: 3 },
    { text: rate > 0 ? `${formatDuration((totalBytes - totalDoneBytes) / rate)} left` : "", rank: 5 },
  ];
}
