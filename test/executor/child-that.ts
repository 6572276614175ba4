/** Children of a few lines in place of a stage's process. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";

/**
 * A child that runs `body` once its task has come; `say` sends a message, `done` ends properly. Tasks are written to tasks.jsonl in
 * the folder, which is removed after the test.
 */
export function childThat(body: string): { worker: URL; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "worker.mjs");
  writeFileSync(
    file,
    `import { appendFileSync } from "node:fs";
    const say = (message) => new Promise((resolve) => process.send(message, undefined, {}, resolve));
    const done = () => setImmediate(() => process.disconnect()); // not within the handler: Node 20 crashes
    process.once("message", async (task) => {
      appendFileSync(${JSON.stringify(folder)} + "/tasks.jsonl", JSON.stringify(task) + "\\n");
      ${body}
    });`,
  );
  return { worker: pathToFileURL(file), folder };
}
