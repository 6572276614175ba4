/** How a stage's process can end for want of memory, and what is said of it. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { runPlan } from "../../src/executor/executor.ts";
import { planOf } from "../plan/plan-of.ts";

function failureOf(body: string, budgetBytes?: number): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "worker.mjs");
  writeFileSync(file, `process.once("message", async () => { ${body} });`);
  const options = { folder, worker: pathToFileURL(file), imagesOf: () => undefined };
  return runPlan(planOf({}), { ...options, ...(budgetBytes === undefined ? {} : { budgetBytes }) }).then(
    () => "it succeeded",
    (error: unknown) => error,
  );
}

test.skipIf(process.platform !== "linux")("a stage that takes more than its budget is ended at once", async () => {
  const error = await failureOf(`globalThis.kept = Buffer.alloc(3e8, 1); setInterval(() => {}, 1000);`, 2e8);
  expect(error).toMatchObject({
    code: "MEMORY_BUDGET",
    exitCode: 3,
    message: expect.stringMatching(
      /^text-encoding was ended: it took 0\.\d\d GB of private memory and the budget is 0\.20 GB; .*--ram-budget\.$/,
    ) as string,
  });
});

test.skipIf(process.platform === "win32").each([
  [
    `console.error("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"); process.abort();`,
    /^text-encoding ran out of memory inside its process/,
  ],
  [`process.kill(process.pid, "SIGBUS");`, /ended by SIGBUS: a file of weights became shorter while it was in use/],
  [`process.kill(process.pid, "SIGKILL");`, /ended by SIGKILL: most likely the machine ran out of memory/],
])("%s", async (body, says) => {
  expect(await failureOf(body)).toMatchObject({ code: "STAGE", message: expect.stringMatching(says) as string });
});

test.skipIf(process.platform === "win32")("a stage that Ctrl-C ends before it can listen was interrupted", async () => {
  expect(await failureOf(`process.kill(process.pid, "SIGINT");`)).toMatchObject({ code: "INTERRUPTED", exitCode: 130 });
});
