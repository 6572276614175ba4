/**
 * @module executor/worker
 * The child process of a stage: gets one task, runs the stage over its jobs, says how it went, ends. The operating system
 * takes back whatever the stage held.
 */

import { type StageMessage, goMessage, stageTask } from "./protocol.ts";
import { runStageTask } from "./run-stage.ts";
import { serve } from "./serve.ts";

serve<StageMessage>(async (message, { send, hear }) => {
  const task = stageTask.parse(message);
  // a task that came ahead of its turn waits, loaded, for its jobs
  const jobs = task.isAhead ? async () => goMessage.parse(await hear()).jobs : () => Promise.resolve(task.jobs);
  await runStageTask(task, { jobs, report: (said) => void send(said) });
  await send({ type: "done" });
});
