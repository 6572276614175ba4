/**
 * @module executor/worker
 * The child process: gets one job, runs its stage, says how it went, ends. The operating system takes back whatever the
 * stage held.
 */

import { exitCodes, IfGenError } from "../errors.ts";
import { type StageMessage, stageJob } from "./protocol.ts";
import { runStageJob } from "./run-stage.ts";

process.once("message", (message) => {
  void work(message);
});
process.on("SIGINT", () => {}); // Ctrl-C reaches the whole group; the parent decides what becomes of it
process.once("disconnect", () => process.exit()); // the parent is gone: nobody waits for the result

async function work(message: unknown): Promise<void> {
  try {
    const generatorState = await runStageJob(stageJob.parse(message), (report) => void send(report));
    await send({ type: "result", ...(generatorState ? { generatorState } : {}) });
  } catch (error) {
    process.exitCode = error instanceof IfGenError ? error.exitCode : exitCodes.STAGE;
    await send({ type: "error", ...describe(error) });
  }
  process.removeAllListeners("disconnect");
  process.disconnect();
}

function describe(error: unknown): { code: string | null; message: string } {
  if (error instanceof IfGenError) return { code: error.code, message: error.message };
  if (!(error instanceof Error)) return { code: null, message: String(error) };
  if (/bad_alloc|failed to allocate/i.test(error.message)) {
    return { code: "STAGE", message: `not enough memory: ${error.message}` };
  }
  return { code: null, message: error.stack ?? error.message };
}

/** Resolves once the parent has it: a child that ends before would lose it. */
function send(message: StageMessage): Promise<void> {
  return new Promise((resolve) => {
    if (!process.send) throw new Error("this file is started by the executor, not by hand");
    process.send(message, undefined, {}, () => resolve());
  });
}
