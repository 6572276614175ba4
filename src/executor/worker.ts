/**
 * @module executor/worker
 * The child process of a stage: gets one task, runs the stage over its jobs, says how it went, ends. The operating system
 * takes back whatever the stage held.
 */

import { type StageMessage, stageTask } from "./protocol.ts";
import { runStageTask } from "./run-stage.ts";
import { serve } from "./serve.ts";

serve<StageMessage>(async (task, send) => {
  await runStageTask(stageTask.parse(task), (message) => void send(message));
  await send({ type: "done" });
});
