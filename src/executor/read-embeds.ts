/**
 * @module executor/read-embeds
 * The text stage's work where T5's embeddings are given: they are put where the later stages read them.
 */

import { embedNames, findEmbeds } from "../plan/embeds-file.ts";
import { readTensorAsFloat32 } from "../weights/safetensors.ts";
import type { StageContext } from "./run-stage.ts";
import { writeTensorFile } from "./stage-files.ts";

/** Embeddings that the jobs bring, in place of T5's. @throws {UsageError} a file has changed since it was planned with. */
export async function readEmbeds({ jobs, report }: StageContext): Promise<void> {
  for (const job of await jobs()) {
    const found = await findEmbeds(job.promptEmbeds ?? "");
    for (const name of embedNames) {
      const { path, entry } = found[name];
      await writeTensorFile(job.folder, name, { data: await readTensorAsFloat32(path, entry), shape: entry.shape });
    }
    report({ type: "progress", job: job.index, step: 1, steps: 1, what: "reading the embeddings" });
    report({ type: "finished", job: job.index });
  }
}
