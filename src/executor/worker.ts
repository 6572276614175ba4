/**
 * @module executor/worker
 * The child process of a stage: gets a task, runs the stage over its jobs, says how it went, ends. The operating system
 * takes back whatever the stage held. One that is to keep its networks open waits for the next task instead.
 */

import { KeptNetworks } from "../networks/kept-networks.ts";
import { type StageMessage, type TaskJob, goMessage, stageTask } from "./protocol.ts";
import { runStageTask } from "./run-stage.ts";
import { serve } from "./serve.ts";

serve<StageMessage>(async (first, { send, hear }) => {
  const networks = new KeptNetworks();
  for (let message = first; ; message = await hear()) {
    const task = stageTask.parse(message);
    // a task that came ahead of its turn waits, loaded, for its jobs
    let turn: Promise<readonly TaskJob[]> | undefined;
    const hearJobs = async (): Promise<readonly TaskJob[]> => goMessage.parse(await hear()).jobs;
    const jobs = (): Promise<readonly TaskJob[]> => (turn ??= task.isAhead ? hearJobs() : Promise.resolve(task.jobs));
    const kept = task.keepsNetworks ? { kept: networks } : {};
    const onLoaded = (): Promise<void> => send({ type: "loaded" });
    await runStageTask(task, { jobs, report: (reply) => void send(reply), onLoaded, ...kept });
    await send({ type: "done" });
    if (!task.keepsNetworks) return;
  }
});
