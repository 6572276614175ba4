/** models.json and what users add to it. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { readManifest, stageSourceOf } from "../../src/catalog/manifest.ts";
import { repositoryLayouts, repositoryKeys } from "../../src/plan/stages.ts";

const none = "/nowhere/models.json";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-manifest-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function writeModels(folder: string, content: unknown): string {
  const file = join(folder, "models.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const described = { description: "mine", license: "none" };
const stages = { stage1: "me/one", stage2: "me/two@v2", stage3: "./three" };

test("the program's own cascades", () => {
  const { cascades, repositories } = readManifest(undefined, none);
  expect([...cascades.keys()]).toEqual(["demo", "if-xl", "if-l", "if-m"]);
  const demo = cascades.get("demo");
  expect(demo?.stages.stage3).toEqual({ kind: "folder", folder: expect.stringMatching(/models.demo.x4-upscaler$/) });
  expect(demo?.defaults?.stage1.guidance).toBeGreaterThan(0);
  const reposOf = (name: string): unknown[] =>
    repositoryKeys.map((stage) => {
      const source = cascades.get(name)?.stages[stage];
      return source?.kind === "hub" ? `${source.repo}@${source.revision}` : source;
    });
  const upscaler = "stabilityai/stable-diffusion-x4-upscaler@main";
  expect(reposOf("if-xl")).toEqual(["DeepFloyd/IF-I-XL-v1.0@main", "DeepFloyd/IF-II-L-v1.0@main", upscaler]);
  expect(reposOf("if-l")).toEqual(["DeepFloyd/IF-I-L-v1.0@main", "DeepFloyd/IF-II-M-v1.0@main", upscaler]);
  expect(reposOf("if-m")).toEqual(["DeepFloyd/IF-I-M-v1.0@main", "DeepFloyd/IF-II-M-v1.0@main", upscaler]);
  expect(repositories.get("DeepFloyd/IF-I-M-v1.0")?.acceptAt).toBe("DeepFloyd/IF-I-XL-v1.0");
});

test("sizes are given for folders a stage reads, and for variants they are published in", () => {
  const { cascades, repositories } = readManifest(undefined, none);
  const sized = [...cascades.values()].flatMap(({ stages: sources }) =>
    repositoryKeys.flatMap((stage) => {
      const source = sources[stage];
      const sizes = source.kind === "hub" ? repositories.get(source.repo)?.approximateBytes : {};
      return Object.entries(sizes ?? {}).map(([folder, bytes]) => ({ stage, folder, variants: Object.keys(bytes) }));
    }),
  );
  expect(sized.length).toBeGreaterThan(10);
  for (const { stage, folder, variants } of sized) {
    expect(repositoryLayouts[stage][folder]?.variants, `${stage}: ${folder}`).toEqual(expect.arrayContaining(variants));
  }
});

test("a user's entries come after the program's, those of --models-file last", () => {
  const folder = temporaryFolder();
  const user = writeModels(folder, {
    repositories: { "me/one": { revision: "v1", license: "mine" } },
    cascades: { first: { ...described, stages }, second: { ...described, stages } },
  });
  mkdirSync(join(folder, "given"));
  const given = writeModels(join(folder, "given"), { cascades: { second: { ...described, directory: "tiny" } } });
  const { cascades } = readManifest(given, user);
  expect([...cascades.keys()]).toEqual(["demo", "if-xl", "if-l", "if-m", "first", "second"]);
  expect(cascades.get("first")?.stages).toEqual({
    stage1: { kind: "hub", repo: "me/one", revision: "v1" },
    stage2: { kind: "hub", repo: "me/two", revision: "v2" },
    stage3: { kind: "folder", folder: join(folder, "three") },
  });
  expect(cascades.get("second")?.stages.stage1).toEqual({
    kind: "folder",
    folder: join(folder, "given", "tiny", "if-i"),
  });
});

test("a folder that exists wins over a repository of the same name", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "me", "one"), { recursive: true });
  expect(stageSourceOf("me/one", folder, new Map())).toEqual({ kind: "folder", folder: join(folder, "me", "one") });
  expect(stageSourceOf("me/two", folder, new Map())).toEqual({ kind: "hub", repo: "me/two", revision: "main" });
});

test.each([
  ["no JSON", "{", /is not valid JSON/],
  ["an unknown field", { cascades: {}, models: {} }, /Unrecognized key.*models/],
  [
    "an unknown field of a cascade",
    { cascades: { a: { ...described, directory: "d", dir: "d" } } },
    /"cascades\.a": .*"dir"/,
  ],
  ["neither directory nor stages", { cascades: { a: described } }, /"cascades\.a": /],
  ["two stages", { cascades: { a: { ...described, stages: { stage1: "a/b", stage2: "a/c" } } } }, /"cascades\.a": /],
  ["a repository without organisation", { repositories: { a: { license: "" } }, cascades: {} }, /repositories\.a/],
  [
    "a size that is none",
    { repositories: { "a/b": { license: "", approximateBytes: { unet: { fp16: "8 GB" } } } }, cascades: {} },
    /repositories\.a\/b\.approximateBytes\.unet\.fp16/,
  ],
])("%s is an error that says where", (_, content, words) => {
  const file = writeModels(temporaryFolder(), content);
  const read = (): unknown => readManifest(file, none);
  expect(read).toThrow(CheckpointError);
  expect(read).toThrow(words);
  expect(read).toThrow(file);
});

test("--models-file must be there; the user's own file need not", () => {
  expect(() => readManifest(none, none)).toThrow(/nowhere.*ENOENT/);
  expect(readManifest(undefined, none).cascades.size).toBe(4);
});

test("a user's own file that is broken is said, and stops nothing that does not need it", () => {
  const folder = temporaryFolder();
  const broken = writeModels(folder, "{");
  const { cascades, problems } = readManifest(undefined, broken);
  expect([...cascades.keys()]).toEqual(["demo", "if-xl", "if-l", "if-m"]);
  expect(problems).toEqual([expect.stringMatching(/^your own models are left out: .*models\.json is not valid JSON/)]);
  expect(() => readManifest(broken, none)).toThrow(CheckpointError);
});

test("a byte order mark is no part of JSON", () => {
  const file = writeModels(
    temporaryFolder(),
    `\uFEFF${JSON.stringify({ cascades: { first: { ...described, directory: "d" } } })}`,
  );
  expect(readManifest(file, none).cascades.has("first")).toBe(true);
});
