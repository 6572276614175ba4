/**
 * How fast and how large this program is, beside the same work in diffusers where a Python with torch is at hand.
 *
 *   npm run bench -- [--only kernels,start,networks,whole] [--model NAME|FOLDER] [--python PATH | --no-python]
 *                    [--rounds 5] [--threads 2] [--json FILE] [--check] [--record]
 *
 * Both sides take turns in one run; ratios are ours to theirs, below 1 is better. --check compares them with the recorded
 * ones and ends with 1 if something got slower; --record writes them down.
 */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { compare, cpuKind, record } from "./check.ts";
import { benchStart, benchWhole } from "./commands.ts";
import { benchKernels } from "./kernels.ts";
import { benchNetworks } from "./networks.ts";
import type { Pair } from "./pairs.ts";
import { type Settings, log, imageArguments, readPlan, reference } from "./settings.ts";

const parts: Readonly<Record<string, (settings: Settings) => Promise<Pair[]>>> = {
  kernels: benchKernels,
  start: benchStart,
  networks: benchNetworks,
  whole: benchWhole,
};

const { values } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(parts).join() },
    model: { type: "string", default: "demo" },
    python: { type: "string", default: "python3" },
    "no-python": { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
    json: { type: "string" },
    check: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});

/** @returns what torch and diffusers are here, as one line; undefined if they are not. */
function referenceVersions(): string | undefined {
  if (values["no-python"]) return undefined;
  try {
    return execFileSync(values.python, [reference, "versions"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    log(`${values.python} has no torch and diffusers: only our side is measured (--python names another one).`);
    return undefined;
  }
}

function table(pairs: readonly Pair[]): string {
  const cells = pairs.map(({ name, unit, ours, other, ratio, against }) => [
    name,
    `${number(ours)} ${unit}`,
    other === undefined ? "" : `${number(other)} ${unit}`,
    ratio === undefined ? "" : ratio.toFixed(2),
    against ?? "",
  ]);
  const rows = [["what", "ours", "other", "ratio", "other is"], ["---", "---:", "---:", "---:", "---"], ...cells];
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

const versions = referenceVersions();
const threads = Number(values.threads);
const settings: Settings = {
  model: values.model,
  plan: await readPlan(imageArguments(values.model, threads)),
  rounds: Number(values.rounds),
  threads,
  ...(versions === undefined ? {} : { python: values.python }),
};

const machine = `${cpus().length} x ${cpus()[0]?.model.trim()} (${cpuKind()}), ${(totalmem() / 1e9).toFixed(0)} GB, ${process.platform}`;
process.stdout.write(`${machine}; Node ${process.versions.node}; ${versions ?? "no reference"}\n`);
process.stdout.write(
  `${settings.threads} threads, ${settings.rounds} rounds, load ${loadavg()[0]?.toFixed(2)} before\n\n`,
);

const pairs: Pair[] = [];
for (const name of values.only.split(",")) {
  const part = parts[name];
  if (!part) throw new Error(`--only knows ${Object.keys(parts).join(", ")}, not ${name}`);
  pairs.push(...(await part(settings)));
}
process.stdout.write(`${table(pairs)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, versions, pairs }, null, 2)}\n`);
if (values.record) record(pairs);
if (values.check) {
  const worse = compare(pairs);
  process.stdout.write(`\n${worse.length === 0 ? "Nothing got slower or larger." : worse.join("\n")}\n`);
  if (worse.some((line) => /: (slower|larger):/.test(line))) process.exitCode = 1;
}
