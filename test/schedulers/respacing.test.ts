import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { respacedTimesteps } from "../../src/schedulers/respacing.ts";
import { availablePath } from "../golden.ts";

interface Row {
  readonly text: string;
  readonly timesteps?: number[];
  readonly error?: string;
}

const rows = JSON.parse(readFileSync(availablePath("scheduler", "respacing.json"), "utf8")) as Row[];
/** The original takes a negative count for 0, and draws nothing at all where no step is left. */
const isTaken = ({ text, timesteps }: Row): boolean =>
  timesteps !== undefined && timesteps.length > 0 && !text.includes("-");

describe("as the original's space_timesteps", () => {
  test.each(rows.filter(isTaken))("$text", ({ text, timesteps }) => {
    expect(respacedTimesteps(text)).toEqual(timesteps);
  });
});

describe("refused", () => {
  test.each(rows.filter((row) => !isTaken(row)).map(({ text }) => text))("%s", (text) => {
    expect(() => respacedTimesteps(text)).toThrow(UsageError);
  });
  test.each(["", "fast28", "ddim 5", "1e2", "10;10"])('"%s"', (text) => {
    expect(() => respacedTimesteps(text)).toThrow(UsageError);
  });
});

test("a count and blanks: what scripts write", () => {
  expect(respacedTimesteps("2, 2")).toEqual([999, 500, 499, 0]);
});
