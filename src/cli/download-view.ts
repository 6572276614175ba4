/**
 * @module cli/download-view
 * Download events -> lines on standard error: a line that is redrawn on a terminal, a line per file in a pipe.
 */

import type { DownloadEvent } from "../hub/types.ts";
import { formatDuration } from "./format.ts";
import type { Terminal } from "./progress.ts";
import { formatBytes } from "../machine/bytes.ts";

export interface DownloadView {
  readonly update: (repo: string, event: DownloadEvent) => void;
  /** Ends the line that is being drawn. */
  readonly close: () => void;
}

const BAR_WIDTH = 24;
const REDRAW_MS = 100;

/** @param now milliseconds, for tests. */
export function createDownloadView(terminal: Terminal, now: () => number = () => performance.now()): DownloadView {
  let start = { at: 0, doneBytes: 0 };
  let drawnAt = -Infinity;
  let open = false;
  const write = (line: string): void => {
    if (open) terminal.write("\r\u001b[K");
    open = false;
    terminal.write(`${line}\n`);
  };
  const draw = (line: string): void => {
    if (!terminal.isTTY || now() - drawnAt < REDRAW_MS) return;
    drawnAt = now();
    terminal.write(`\r\u001b[K${line.slice(0, (terminal.columns ?? 80) - 1)}`);
    open = true;
  };
  return {
    update(repo, event) {
      if (event.kind === "start") {
        start = { at: now(), doneBytes: event.totalBytes - event.missingBytes };
        if (event.missingBytes > 0)
          write(`${repo}: fetching ${formatBytes(event.missingBytes)} of ${formatBytes(event.totalBytes)}`);
      } else if (event.kind === "progress") {
        draw(progressLine(event, start.doneBytes, (now() - start.at) / 1000));
      } else if (event.kind === "retry") {
        write(`${event.path}: ${event.notice.message} Trying again in ${Math.ceil(event.notice.delayMs / 1000)} s.`);
      } else if (event.kind === "wait") {
        write(`${event.path}: another process is fetching it; waiting.`);
      } else if (!terminal.isTTY) write(`  ${event.path}`);
    },
    close() {
      if (open) terminal.write("\r\u001b[K");
      open = false;
    },
  };
}

/** `██████░░░░  3.20 of 17.1 GB  45.0 MB/s  5:02 left`, over all files of the repository. */
function progressLine(
  { totalDoneBytes, totalBytes }: Extract<DownloadEvent, { kind: "progress" }>,
  doneAtStart: number,
  seconds: number,
): string {
  const filled = totalBytes === 0 ? BAR_WIDTH : Math.round((BAR_WIDTH * totalDoneBytes) / totalBytes);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const rate = seconds > 0 ? (totalDoneBytes - doneAtStart) / seconds : 0;
  const left = rate > 0 ? `  ${formatBytes(rate)}/s  ${formatDuration((totalBytes - totalDoneBytes) / rate)} left` : "";
  return `${bar}  ${formatBytes(totalDoneBytes)} of ${formatBytes(totalBytes)}${left}`;
}
