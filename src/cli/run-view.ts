/**
 * @module cli/run-view
 * A run's events -> lines on standard error: downloads, notes, what computes, a bar per stage.
 */

import { describeProvider } from "../plan/provider.ts";
import type { RunEvent } from "../run/events.ts";
import { type DownloadView, createDownloadView } from "./download-view.ts";
import { type Terminal, createLiveLine } from "./line.ts";
import type { PreviewSettings } from "./preview-options.ts";
import { type ProgressView, createProgressView } from "./progress.ts";
import { visible } from "./terminal.ts";
import { readHubEnvironment } from "../machine/environment.ts";

export interface RunView {
  readonly show: (event: RunEvent) => void;
  /** Ends the line that is being drawn. */
  readonly close: () => void;
}

/**
 * @param isQuiet show nothing.
 * @param preview how to show what steps predict; absent: not.
 */
export function createRunView(terminal: Terminal, isQuiet: boolean, preview?: PreviewSettings): RunView {
  if (isQuiet) return { show: () => undefined, close: () => undefined };
  const line = createLiveLine(terminal); // nothing is drawn on it
  let downloads: DownloadView | undefined;
  let progress: ProgressView | undefined;
  return {
    show(event) {
      switch (event.type) {
        case "download":
          downloads ??= readHubEnvironment().quiet ? undefined : createDownloadView(terminal);
          downloads?.update(event.repo, event.event);
          break;
        case "plan":
          downloads?.close();
          line.print(`execution provider: ${describeProvider(event.plan.provider)}`);
          progress = createProgressView(terminal, event.plan, undefined, preview);
          break;
        case "note":
          if (progress) progress.note(visible(event.text));
          else line.print(`note: ${visible(event.text)}`);
          break;
        case "step":
          progress?.update(event);
          break;
        case "stage":
        case "stage-end":
        case "job":
          break;
      }
    },
    close() {
      downloads?.close();
      progress?.close();
    },
  };
}
