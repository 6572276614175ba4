/**
 * @module cli/worker
 * `if-gen worker --queue redis://...`.
 */

import type { ProgramCommand } from "./command.ts";
import { type KeepAliveOption, addKeepAliveOption } from "./keep-alive-option.ts";
import { type BudgetOptions, addBudgetOptions } from "./memory-options.ts";
import { type ProviderOptions, addProviderOptions } from "./provider-options.ts";
import { type WorkerQueueOptions, addWorkerQueueOptions } from "./queue-options.ts";
import { type UploadOption, addUploadOption } from "./upload-option.ts";
import { integer } from "./values.ts";

export interface WorkerOptions
  extends WorkerQueueOptions, ProviderOptions, BudgetOptions, KeepAliveOption, UploadOption {
  modelsFile?: string;
  threads?: number;
  quiet?: boolean;
  json?: boolean;
}

export function defineWorker(command: ProgramCommand): void {
  addBudgetOptions(addProviderOptions(addKeepAliveOption(addWorkerQueueOptions(command), "groups")));
  addUploadOption(command, "where images go in place of a folder")
    .option("--threads <count>", "CPU threads (default: as the job says, or the physical cores)", integer(1, 1024))
    .option("--models-file <file>", "more entries for models, in the form of models.json")
    .option("-q, --quiet", "print nothing but errors")
    .option("--json", "print each event as JSON, one a line, on standard output");
  command.addExamples(
    "if-gen worker --queue redis://localhost:6379",
    "if-gen worker --queue redis://localhost:6379 --device-id 1 --until-empty",
  );
  command.action(async (options: WorkerOptions) => {
    const { runWorker } = await import("./worker-run.ts");
    await runWorker(options);
  });
  command.addFullHelp();
}
