/**
 * @module cli/doctor
 * `if-gen doctor`: what is here, what is missing, what to do about it.
 */

import { IfGenError } from "../errors.ts";
import type { ProgramCommand } from "./command.ts";
import type { Check } from "./doctor/check.ts";
import { printJson } from "./terminal.ts";

export function defineDoctor(command: ProgramCommand): void {
  command
    .option("--json", "print it as JSON")
    .addHelpText(
      "after",
      "\nExit codes: 0 nothing is wrong (notes are no problems),\n1 a problem was found that you have to mend.",
    )
    .action(doctor);
}

/** @throws {IfGenError} PROBLEM: something has to be mended; all has been printed before. */
async function doctor({ json }: { json?: boolean }): Promise<void> {
  const checks = await runChecks();
  const problems = checks.filter(({ state }) => state === "problem");
  if (json) printJson({ ok: problems.length === 0, checks });
  else (await import("./print-table.ts")).printTable(describeChecks(checks));
  if (problems.length === 0) return;
  const names = problems.map(({ name }) => name).join(", ");
  const demo = problems.some(({ breaksDemo }) => breaksDemo !== undefined)
    ? "not even the demo can run here"
    : "the demo runs";
  throw new IfGenError("PROBLEM", `doctor found what has to be mended: ${names}; ${demo}; see above.`);
}

async function runChecks(): Promise<Check[]> {
  const [{ readHubContext }, { readHardware }, { checkMachine }, { checkEngine }, { checkGpu }, { checkHub }] =
    await Promise.all([
      import("../catalog/hub-context.ts"),
      import("../machine/hardware.ts"),
      import("./doctor/machine.ts"),
      import("./doctor/engine.ts"),
      import("./doctor/gpu.ts"),
      import("./doctor/hub.ts"),
    ]);
  const context = readHubContext();
  const checks = await Promise.all([
    checkMachine(context.manifest, context.settings.cacheFolder),
    checkEngine(context.manifest),
    checkGpu(readHardware().platform),
    checkHub(context),
  ]);
  return checks.flat();
}

/** @returns a line per check, with what to do below those that need it. */
export function describeChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ state, name, text, next }) => [
    `${state.padEnd(7)}  ${name.padEnd(width)}  ${text}`,
    ...(next === undefined ? [] : [`${"".padEnd(7)}  ${"".padEnd(width)}  -> ${next}`]),
  ]);
  const problems = checks.filter(({ state }) => state === "problem").length;
  const summary = problems === 0 ? "no problems" : problems === 1 ? "1 problem" : `${problems} problems`;
  return `${lines.join("\n")}\n\n${summary}\n`;
}
