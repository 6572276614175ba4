/**
 * @module cli/find-model
 * The model a picture command asks for: found, or fetched first with progress on standard error.
 */

import { type Model, findModel } from "../catalog/find-model.ts";
import type { Request } from "../plan/request.ts";
import { createDownloadView } from "./download-view.ts";
import { readHubContext } from "./hub-context.ts";
import { listenForInterrupt } from "./interrupt.ts";
import type { CommonOptions } from "./options.ts";

const stageCounts = { 64: 1, 256: 2, 1024: 3 } as const;

/**
 * @throws {CheckpointError} there is no such model.
 * @throws {HubError} it is not here and cannot be fetched; --dry-run fetches nothing.
 */
export async function findRequestedModel(request: Request, options: CommonOptions): Promise<Model> {
  const { manifest, environment, settings } = readHubContext(options.modelsFile);
  const view = options.quiet || environment.quiet ? undefined : createDownloadView(process.stderr);
  const interrupt = listenForInterrupt("what has arrived is kept");
  const stages = { stage1: options["stage1Model"], stage2: options["stage2Model"], stage3: options["stage3Model"] };
  const asked = Object.entries(stages).filter(([, model]) => typeof model === "string");
  try {
    return await findModel(
      {
        model: request.model,
        stages: Object.fromEntries(asked) as Record<string, string>,
        ...(request.variant ? { variant: request.variant } : {}),
        stageCount: stageCounts[request.until],
      },
      {
        manifest,
        settings,
        home: environment.home,
        ...(options.dryRun
          ? {}
          : { download: { signal: interrupt.signal, ...(view ? { onProgress: view.update } : {}) } }),
        onNote: (text) => {
          if (!options.quiet) process.stderr.write(`note: ${text}\n`);
        },
      },
    );
  } finally {
    view?.close();
    interrupt.release();
  }
}
