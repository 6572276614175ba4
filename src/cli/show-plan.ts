/**
 * @module cli/show-plan
 * `--dry-run` and `if-gen plan`: what would be done, for people or as JSON. `plan` also plans models that are not here yet,
 * and tries what makes a plan fit that does not.
 */

import { IfGenError } from "../errors.ts";
import { checkBudget } from "../memory/budget.ts";
import type { Request } from "../plan/request.ts";
import { type CompletePlan, completePlans } from "../run/complete-plans.ts";
import type { RunEvent } from "../run/events.ts";
import { optionsThatFit } from "../run/options-that-fit.ts";
import type { RunSettings } from "../run/settings.ts";
import { listenForInterrupt } from "./interrupt.ts";
import type { CommonOptions } from "./options.ts";
import { describeDownload, withOutlines } from "./plan-download.ts";
import { describePlan, planJson } from "./report.ts";
import { printTable } from "./print-table.ts";
import { print, printJson, say } from "./terminal.ts";

/** @throws {IfGenError} MEMORY_BUDGET: a stage does not fit; all has been printed before. */
export async function showPlan(
  requests: readonly Request[],
  settings: RunSettings,
  options: CommonOptions,
): Promise<void> {
  for (const { plan, needs, limits } of await completePlans(requests, withNotes(settings, options))) {
    if (options.json) printJson(planJson(plan, needs, limits));
    else printTable(describePlan(plan, needs, limits));
    checkBudget(needs, limits, plan);
  }
}

/**
 * The same for a model of the Hub that may not be here: a few MB of its configs and headers are read.
 * @throws {HubError} a repository cannot be listed or read.
 */
export async function showPlanFirst(
  requests: readonly Request[],
  settings: RunSettings,
  options: CommonOptions,
): Promise<void> {
  const interrupt = listenForInterrupt("nothing was kept");
  const { signal } = interrupt;
  try {
    await withOutlines(options.modelsFile, signal, async ({ outline, download, named }) => {
      const outlined = { ...settings, outline, signal };
      const plans = await completePlans(requests, withNotes(outlined, options));
      const fetching = await download();
      for (const complete of plans) {
        const { plan, needs, limits } = complete;
        const advice = await adviceFor(complete, complete.requests[0]!, outlined);
        if (options.json) {
          const whole = { ...planJson(plan, needs, limits), ...(fetching ? { download: fetching } : {}), ...advice };
          printJson(JSON.parse(named(JSON.stringify(whole))));
        } else {
          printTable(named(describePlan(plan, needs, limits)));
          if (fetching) printTable(`\n${describeDownload(fetching)}`);
          print(`\n${describeAdvice(advice)}\n`);
        }
        const tooLarge = needs.find(({ verdict }) => verdict === "too large");
        if (tooLarge)
          throw new IfGenError("MEMORY_BUDGET", `${tooLarge.stage} does not fit the memory budget; see above.`);
      }
    });
  } finally {
    interrupt.release();
  }
}

interface Advice {
  readonly fits: boolean;
  /** Options with which it fits; absent: it fits as it is, or with none of those that were tried. */
  readonly fitsWith?: string;
}

async function adviceFor({ needs }: CompletePlan, request: Request, settings: RunSettings): Promise<Advice> {
  if (needs.every(({ verdict }) => verdict !== "too large")) return { fits: true };
  const fitsWith = await optionsThatFit(request, settings);
  return { fits: false, ...(fitsWith === undefined ? {} : { fitsWith }) };
}

function describeAdvice({ fits, fitsWith }: Advice): string {
  if (fits) return "it fits this machine's budget";
  return fitsWith === undefined ? "it does not fit, not even with smaller weights" : `it fits with ${fitsWith}`;
}

const withNotes = (settings: RunSettings, { quiet }: CommonOptions): RunSettings => ({
  ...settings,
  onEvent: (event: RunEvent) => {
    if (event.type === "note" && !quiet) say(`note: ${event.text}\n`);
  },
});
