/** Defaults of the user's own: what is typed goes first, then the variable, then the file. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { smallModel } from "../small-model.ts";
import { type CliRun, eventsOf, runCli, temporaryFolder } from "./run-cli.ts";

interface Setup {
  readonly folder: string;
  readonly file: string;
  readonly run: (args: readonly string[], env?: Record<string, string>) => Promise<CliRun>;
}

function start(config?: unknown): Setup {
  const folder = temporaryFolder();
  const file = join(folder, "if-gen", "config.json");
  mkdirSync(join(folder, "if-gen"));
  if (config !== undefined) writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  const run: Setup["run"] = (args, env = {}) => runCli(args, { cwd: folder, env: { XDG_CONFIG_HOME: folder, ...env } });
  return { folder, file, run };
}

const plan = ["txt2img", "a cat", "--dry-run", "--json", "--quiet", "--model", smallModel()];

interface Planned {
  readonly numImages: number;
  readonly watermark: boolean;
  readonly stages: { name: string; steps?: number }[];
}

const planned = ({ stdout, stderr }: CliRun): Planned => {
  expect(stderr).toBe("");
  return JSON.parse(stdout.toString()) as Planned;
};

test("the file, then the variable, then what is typed", async () => {
  const { run } = start({ "num-images": 2, watermark: false, until: "64", "stage-1-steps": 3, strength: 0.5 });
  const first = planned(await run(plan));
  expect(first).toMatchObject({ numImages: 2, watermark: false });
  expect(first.stages.find(({ steps }) => steps !== undefined)?.steps).toBe(3);
  const env = { IF_GEN_NUM_IMAGES: "3", IF_GEN_WATERMARK: "1" };
  expect(planned(await run(plan, env))).toMatchObject({ numImages: 3, watermark: true });
  expect(planned(await run([...plan, "--num-images", "4"], env))).toMatchObject({ numImages: 4 });
});

test("set, list, unset, path", async () => {
  const { run, file } = start();
  expect((await run(["config", "path"])).stdout.toString()).toBe(`${file}\n`);
  expect(await run(["config", "set", "num-images", "2"])).toMatchObject({ code: 0 });
  expect(await run(["config", "set", "quiet", "yes"])).toMatchObject({ code: 0 });
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ "num-images": "2", quiet: true });
  const list = (await run(["config", "list"], { IF_GEN_MODEL: "if-m" })).stdout.toString();
  expect(list).toMatch(/^num-images +IF_GEN_NUM_IMAGES +file +2$/m);
  expect(list).toMatch(/^model +IF_GEN_MODEL +variable +if-m$/m);
  expect(list).toMatch(/^until +IF_GEN_UNTIL +default$/m);
  expect(list).not.toMatch(/^(prompt|image|output|resume) /m);
  await run(["config", "unset", "num-images"]);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ quiet: true });
});

describe("refused, with where it stands", () => {
  test.each([
    ["an unknown name", { modell: "demo" }, {}, /config\.json: .* called modell; did you mean model\?/],
    ["a value that is not valid", { until: 100 }, {}, /config\.json: until is 100\. It must be one of 64, 256, 1024\./],
    ["a variable's value", {}, { IF_GEN_SAFETY: "red" }, /IF_GEN_SAFETY: safety is red\. Allowed choices are black/],
    ["no truth value", { watermark: "maybe" }, {}, /watermark is maybe; it must be true or false/],
    ["no JSON", "{", {}, /config\.json is not valid JSON/],
    ["no object of values", { model: ["demo"] }, {}, /must be one JSON object/],
  ])("%s", async (_, config, env, says) => {
    const { code, stderr } = await start(config).run(plan, env as Record<string, string>);
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/\[USAGE\]\n$/);
    expect(code).toBe(2);
  });

  test("config set takes only what the option takes", async () => {
    const { run } = start();
    expect((await run(["config", "set", "until", "100"])).stderr).toMatch(/until is 100\. It must be one of/);
    expect((await run(["config", "set", "output", "a.png"])).stderr).toMatch(/called output/);
  });
});

test("help does not read it", async () => {
  expect(await start("{").run(["txt2img", "--help"])).toMatchObject({ code: 0, stderr: "" });
});

test("--output-folder is where images go that have no --output", async () => {
  const { run, folder } = start({ "output-folder": "images" });
  mkdirSync(join(folder, "images"));
  const draw = [...plan.filter((word) => word !== "--dry-run"), "--until", "64", "--stage-1-steps", "1", "--seed", "7"];
  const drawn = await run([...draw, "--safety", "off", "--execution-provider", "cpu"]);
  expect(drawn.stderr).toBe("");
  const outputs = [join("images", "if-gen-7.png")];
  expect(eventsOf(drawn)).toContainEqual(expect.objectContaining({ type: "result", outputs }));
});
