/** diffusers' side of the benchmark reads this program's plans: what it asks of them has to be there. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { planOf } from "../plan/plan-of.ts";

const source = readFileSync(new URL("../../scripts/bench/reference.py", import.meta.url), "utf8");

/** Names that the Python asks for without a default: `job["seed"]`. */
const keysOf = (variable: string): string[] => [
  ...new Set([...source.matchAll(new RegExp(`\\b${variable}\\["(\\w+)"\\]`, "g"))].map(([, key]) => key!)),
];

test.each([
  ["plan", [planOf({})]],
  ["job", planOf({}).jobs],
  [
    "stage",
    planOf({})
      .stages.filter(({ kind }) => kind === "diffusion")
      .slice(1),
  ],
])("%s has all that is read of it", (variable, [made]) => {
  expect(keysOf(variable).length).toBeGreaterThan(0);
  for (const key of keysOf(variable)) expect(made).toHaveProperty(key);
});
