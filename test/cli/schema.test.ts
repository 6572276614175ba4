import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromJSONSchema } from "zod";
import { createProgram } from "../../src/cli/program.ts";
import { describeProgram } from "../../src/cli/describe-program.ts";
import { manualPage } from "../../src/cli/man.ts";
import { smallModel } from "../small-model.ts";
import { eventsOf, root, runCli, temporaryFolder } from "./run-cli.ts";

const draw = ["txt2img", "a cat", "--json", "--quiet", "--until", "64", "--stage-1-steps", "1", "--safety", "off"];
const tiny = [...draw, "--model", smallModel(), "--execution-provider", "cpu"];

/** What another program would check with. */
async function schemaOf(name: string): Promise<ReturnType<typeof fromJSONSchema>> {
  const { stdout, code } = await runCli(["schema", name]);
  expect(code).toBe(0);
  return fromJSONSchema(JSON.parse(stdout.toString()) as Parameters<typeof fromJSONSchema>[0]);
}

describe("a schema takes what the program prints, and nothing that lacks a part", () => {
  test.each([
    ["plan", [...tiny, "--dry-run"], "memory"],
    ["plan", ["plan", ...tiny.slice(2), "--prompt", "a cat"], "stages"],
  ])("%s", { timeout: 120_000 }, async (name, args, part) => {
    const schema = await schemaOf(name);
    const { stdout } = await runCli(args, { cwd: temporaryFolder() });
    const printed = JSON.parse(stdout.toString()) as Record<string, unknown>;
    expect(schema.safeParse(printed).error).toBeUndefined();
    const { [part]: _, ...rest } = printed;
    expect(schema.safeParse(rest).success).toBe(false);
  });

  test("events, and a result", { timeout: 120_000 }, async () => {
    const [events, result] = await Promise.all([schemaOf("events"), schemaOf("result")]);
    const printed = eventsOf(await runCli(tiny, { cwd: temporaryFolder() }));
    for (const event of printed) expect(events.safeParse(event).error).toBeUndefined();
    expect(result.safeParse(printed.at(-1)).error).toBeUndefined();
    for (const part of ["type", "outputs"]) {
      const { [part]: _, ...rest } = printed.at(-1)!;
      expect(events.safeParse(rest).success).toBe(false);
    }
  });

  test("models", async () => {
    const schema = await schemaOf("models");
    expect(schema.safeParse(JSON.parse(readFileSync(join(root, "models.json"), "utf8"))).error).toBeUndefined();
    expect(schema.safeParse({ cascades: { a: {} } }).success).toBe(false);
  });
});

describe("the manual page", () => {
  const page = (async () =>
    manualPage(describeProgram(await createProgram("all"), []), "1.2.3", "Exit codes:\n  0 done, 1 not"))();

  test("has every command with all its options", async () => {
    const text = (await page).replaceAll("\\-", "-");
    expect(text).toMatch(/^\.TH IF-GEN 1 "" "if-gen 1\.2\.3"/);
    for (const name of ["txt2img", "models pull", "setup cuda"]) expect(text).toContain(`.SS if-gen ${name}`);
    expect(text).toContain(".SH EXIT STATUS\n0 done, 1 not.\n");
    expect(text).toContain(".B --stage-1-steps <count>\nsteps of stage 1");
  });

  test("has no line that roff takes for a request of its own", async () => {
    const requests = (await page).split("\n").filter((line) => /^[.']/.test(line));
    expect(requests.filter((line) => !/^\.(TH|SH|SS|TP|B|I|br)\b/.test(line))).toEqual([]);
  });
});
