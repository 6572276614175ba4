/**
 * @module cli/batch-plan
 * `batch --dry-run`: every line is checked, and the first job of each line's settings planned; nothing is drawn.
 */

import { UsageError } from "../errors.ts";
import { checkBudget } from "../memory/budget.ts";
import type { Request } from "../plan/request.ts";
import { type BatchOptions, checkedJobs } from "../run/batch/batch-jobs.ts";
import { type JobSource, readJobs } from "../run/batch/read-jobs.ts";
import { completePlans } from "../run/complete-plans.ts";
import { settingsKey } from "../run/group-requests.ts";
import type { BatchCommandOptions } from "./batch.ts";
import { budgetsFrom } from "./memory-options.ts";
import { describePlan } from "./report.ts";
import { printTable } from "./print-table.ts";
import { print, printJson, say } from "./terminal.ts";

/** So many different settings are planned at most. */
const MAX_PLANS = 16;

/** @throws {UsageError} lines cannot be drawn; each is said before. */
export async function showBatchPlan(
  source: JobSource,
  settings: BatchOptions,
  options: BatchCommandOptions,
): Promise<void> {
  const first = new Map<string, Request>();
  let jobs = 0;
  let bad = 0;
  for await (const job of checkedJobs(readJobs(source), settings)) {
    jobs++;
    if ("error" in job) {
      bad++;
      say(`line ${job.line}: ${job.error.message}\n`);
      continue;
    }
    const key = settingsKey(job.request);
    if (first.size < MAX_PLANS && !first.has(key)) first.set(key, job.request);
  }
  const planned = await completePlans([...first.values()], {
    modelsFile: options.modelsFile,
    download: false,
    budgets: budgetsFrom(options),
  });
  if (options.json)
    printJson({ jobs, bad, plans: planned.map(({ plan, needs, limits }) => ({ plan, needs, limits })) });
  else {
    print(`${jobs} jobs, ${bad} of them cannot be drawn; ${first.size} different settings.\n`);
    for (const { plan, needs, limits } of planned) printTable(`\n${describePlan(plan, needs, limits)}`);
  }
  for (const { plan, needs, limits } of planned) checkBudget(needs, limits, plan);
  if (bad > 0) throw new UsageError(`${bad} of ${jobs} jobs cannot be drawn; mend their lines.`);
}
