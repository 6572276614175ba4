/**
 * The shape of the house: which folder may know which, which folder holds the door to a package, and what the parent
 * process never loads. A new folder or package needs a line here.
 */

import { describe, expect, test } from "vitest";
import { parseSource, reachableFrom, readSources, type SourceFile } from "./source-imports.ts";

/** A file imports from its own folder or from a lower floor: never up, never sideways. */
const floors: Readonly<Record<string, number>> = {
  "index.ts": 10,
  cli: 10,
  run: 9,
  executor: 8,
  pipelines: 7,
  memory: 7,
  networks: 6,
  catalog: 6,
  plan: 5,
  models: 4,
  schedulers: 4,
  tokenizers: 4,
  runtime: 4,
  machine: 4,
  onnx: 3,
  weights: 3,
  hub: 3,
  image: 3,
  math: 2,
  files: 2,
  "text.ts": 1,
  "errors.ts": 1,
};

/** Who may import a package: folders (ending in "/") or files; "" is everyone. */
const packageDoors: Readonly<Record<string, readonly string[]>> = {
  commander: ["cli/"],
  "csv-parse": ["run/batch/"],
  bullmq: ["run/queue/open-queue.ts"],
  "@aws-sdk/client-s3": ["run/store/s3-store.ts"],
  ioredis: ["run/queue/open-queue.ts", "run/queue/connections.ts"],
  "string-width": ["cli/"],
  "cli-truncate": ["cli/"],
  "onnxruntime-node": ["runtime/"],
  sharp: ["image/"],
  entities: ["tokenizers/"],
  "@huggingface/hub": ["hub/"],
  "@huggingface/tokenizers": ["tokenizers/"],
  "@bufbuild/protobuf": ["onnx/encode.ts", "tokenizers/"], // spiece.model is protobuf too
  zod: [""],
  "node:child_process": ["executor/"],
  "node:worker_threads": ["pipelines/noise-worker.ts", "pipelines/scheduling-worker.ts", "pipelines/start-thread.ts"],
  "node:os": ["machine/"],
  "node:process": ["machine/"],
};

const providerLiteral = /"(?:cpu|cuda|webgpu)"/;
const stageLiteral = /"(?:stage-[0-9]|text-encoding)"/;

/** Who may say it, where no import tells. */
const wordDoors: readonly { readonly word: RegExp; readonly doors: readonly string[] }[] = [
  { word: /\bprocess\.env\b/, doors: ["machine/"] },
  { word: /\bconsole\.\w|\bprocess\.std(out|err)\b/, doors: ["cli/"] },
  { word: /\brequire\(|\bcreateRequire\b|\bimport\((?!\s*["'`])/, doors: [] }, // imports that could not be read here
  {
    word: providerLiteral,
    doors: [
      "onnx/lower/",
      "runtime/execution-providers.ts", // the options of each provider's sessions
      "runtime/session.ts", // where a tensor lies is called "cpu" by onnxruntime
      "cli/doctor/", // looks at each by name, for people
      "cli/setup.ts", // the command's own name
    ],
  },
  { word: stageLiteral, doors: ["plan/stages.ts"] },
];

const sources = readSources();

test("there is a house", () => {
  expect(sources.map(({ path }) => path)).toContain("errors.ts");
  expect(sources.filter(({ imports }) => imports.length > 0).length).toBeGreaterThan(sources.length / 2);
});

test("every folder has a floor", () => {
  expect(sources.filter(({ path }) => floors[folderOf(path)] === undefined).map(({ path }) => path)).toEqual([]);
});

test("imports go down", () => {
  expect(sources.flatMap(upwardImports)).toEqual([]);
});

test("each package has one door", () => {
  expect(sources.flatMap(strayPackages)).toEqual([]);
});

test("the environment and the terminal have one door", () => {
  expect(sources.flatMap(strayWords)).toEqual([]);
});

test.each(["cli/main.ts", "index.ts"])("nothing reachable from %s touches runtime/ or sharp", (start) => {
  expect(reachableFrom(start, sources).size).not.toBe(1); // 1: its imports were not understood
  expect(heavyWays(start, sources)).toEqual([]);
});

test("the parent of the stages imports no pipeline, and shares with its child only what both say", () => {
  const parent = reachableFrom("executor/executor.ts", sources);
  const child = reachableFrom("executor/worker.ts", sources);
  expect([...parent].filter(([path]) => path.startsWith("pipelines/")).map(([, way]) => way)).toEqual([]);
  const shared = [...parent.keys()].filter((path) => path.startsWith("executor/") && child.has(path));
  expect(shared.sort()).toEqual(["executor/messages.ts", "executor/protocol.ts"]);
});

describe("the rules notice", () => {
  test("an import of a higher or an equal floor, also of types, and of what lies outside", () => {
    const text = [
      `import { a } from "../../models/layers.ts";`,
      `import type { B } from "../../weights/dtype.ts";`,
      `import {`,
      `  c,`,
      `  type D,`,
      `} from "../graph.ts";`,
      `export * from "../../math/half.ts";`,
      `export type { E } from "../../../test/golden.ts";`,
      `/** import { f } from "../../cli/main.ts" */`,
      `// import "../../cli/main.ts";`,
      `const late = await import("../../pipelines/stage-1.ts");`,
    ].join("\n");
    const file = parseSource("onnx/lower/decompose.ts", text);
    expect(upwardImports(file)).toEqual([
      "onnx/lower/decompose.ts -> models/layers.ts",
      "onnx/lower/decompose.ts -> weights/dtype.ts",
      "onnx/lower/decompose.ts -> ../test/golden.ts",
      "onnx/lower/decompose.ts -> pipelines/stage-1.ts",
    ]);
  });

  test("a package beside its door, or without one", () => {
    const text = [
      `import sharp from "sharp";`,
      `import "onnxruntime-node";`,
      `import { fromBinary } from "@bufbuild/protobuf/wire";`,
      `import { fork } from "child_process";`,
      `import { z } from "zod";`,
      `import { readFile } from "node:fs/promises";`,
      `import leftPad from "left-pad";`,
    ].join("\n");
    expect(strayPackages(parseSource("image/decode.ts", text))).toEqual([
      "image/decode.ts -> onnxruntime-node",
      "image/decode.ts -> @bufbuild/protobuf",
      "image/decode.ts -> node:child_process",
      "image/decode.ts -> left-pad",
    ]);
    expect(strayPackages(parseSource("onnx/encode.ts", `import { create } from "@bufbuild/protobuf";`))).toEqual([]);
  });

  test("the environment, a printed line, an import that cannot be read", () => {
    const code = `process.env["HOME"]; console.log(1); process.stderr.write(""); await import(name); await import("./a.ts");`;
    expect(strayWords(parseSource("hub/cache.ts", code))).toEqual([
      "hub/cache.ts: process.env",
      "hub/cache.ts: console.l",
      "hub/cache.ts: import(",
    ]);
    expect(strayWords(parseSource("cli/main.ts", "console.error(error)"))).toEqual([]);
  });

  test("the name of a provider or a stage outside its row", () => {
    const code = `if (provider === "webgpu") start("stage-2"); // "cuda"`;
    expect(strayWords(parseSource("run/draw.ts", code))).toEqual(['run/draw.ts: "webgpu"', 'run/draw.ts: "stage-2"']);
    expect(strayWords(parseSource("onnx/lower/providers.ts", `name: "webgpu"`))).toEqual([]);
    expect(strayWords(parseSource("plan/stages.ts", `name: "stage-2"`))).toEqual([]);
  });

  test("a heavy library some steps away, but not a type of it", () => {
    const house = [
      parseSource("cli/main.ts", `import { a } from "./txt2img.ts";\nimport type { R } from "../runtime/session.ts";`),
      parseSource("cli/txt2img.ts", `const preview = async () => (await import("../image/decode.ts")).decode;`),
      parseSource("image/decode.ts", `import sharp from "sharp";`),
      parseSource("runtime/session.ts", `import * as ort from "onnxruntime-node";`),
    ];
    expect(heavyWays("cli/main.ts", house)).toEqual(["cli/main.ts -> cli/txt2img.ts -> image/decode.ts"]);
  });
});

function folderOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function upwardImports({ path, imports }: SourceFile): string[] {
  const own = folderOf(path);
  const isDown = (target: string): boolean => (floors[folderOf(target)] ?? Infinity) < (floors[own] ?? 0);
  return imports
    .filter(({ kind, target }) => kind === "file" && folderOf(target) !== own && !isDown(target))
    .map(({ target }) => `${path} -> ${target}`);
}

function strayPackages({ path, imports }: SourceFile): string[] {
  const doorsOf = (name: string): readonly string[] => packageDoors[name] ?? (name.startsWith("node:") ? [""] : []);
  return imports
    .filter(({ kind, target }) => kind === "package" && !isAt(path, doorsOf(target)))
    .map(({ target }) => `${path} -> ${target}`);
}

function strayWords({ path, code }: SourceFile): string[] {
  return wordDoors.flatMap(({ word, doors }) => {
    const [found] = word.exec(code) ?? [];
    return found === undefined || isAt(path, doors) ? [] : [`${path}: ${found}`];
  });
}

const isAt = (path: string, doors: readonly string[]): boolean =>
  doors.some((door) => path === door || ((door === "" || door.endsWith("/")) && path.startsWith(door)));

/** The ways from `start` to files that load onnxruntime or sharp. */
function heavyWays(start: string, house: readonly SourceFile[]): string[] {
  const ways = reachableFrom(start, house);
  const isHeavy = ({ path, imports }: SourceFile): boolean =>
    path.startsWith("runtime/") ||
    imports.some(({ target, typeOnly }) => !typeOnly && (target === "onnxruntime-node" || target === "sharp"));
  return house.filter(isHeavy).flatMap(({ path }) => ways.get(path)?.join(" -> ") ?? []);
}
