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
  memory: 7,
  pipelines: 7,
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
  "errors.ts": 1,
  "text.ts": 1,
};

/** Who may import a package: folders (ending in "/") or files; "" is everyone. */
const packageDoors: Readonly<Record<string, readonly string[]>> = {
  commander: ["cli/"],
  "onnxruntime-node": ["runtime/"],
  sharp: ["image/"],
  "@huggingface/hub": ["hub/"],
  "@huggingface/tokenizers": ["tokenizers/"],
  "@bufbuild/protobuf": ["onnx/encode.ts", "tokenizers/"], // spiece.model is protobuf too
  zod: [""],
  "node:child_process": ["executor/"],
  "node:os": ["machine/"],
  "node:process": ["machine/"],
};

/** Who may say it, where no import tells. */
const wordDoors: readonly { readonly word: RegExp; readonly doors: readonly string[] }[] = [
  { word: /\bprocess\.env\b/, doors: ["machine/"] },
  { word: /\bconsole\.\w|\bprocess\.std(out|err)\b/, doors: ["cli/"] },
  { word: /\brequire\(|\bcreateRequire\b|\bimport\((?!\s*["'`])/, doors: [] }, // imports that could not be read here
];

/**
 * Names that are data: each is spelled in its table, and all other code asks the table. Who else may spell it, and why.
 */
const nameDoors: readonly { readonly word: RegExp; readonly doors: readonly string[] }[] = [
  {
    word: /["'`](?:cuda|webgpu)["'`]/,
    doors: [
      "onnx/lower/",
      "runtime/execution-providers.ts", // onnxruntime's session options, one row each
      "cli/setup.ts", // the command that installs cuda's libraries
      "cli/doctor/", // what is missing, and what helps, is another thing for each
    ],
  },
  {
    word: /["'`]cpu["'`]/,
    doors: [
      "onnx/lower/",
      "runtime/execution-providers.ts",
      "runtime/session.ts", // onnxruntime's word for a tensor that lies in the process
      "cli/doctor/",
      "networks/prepare-network.ts", // where a stage is not said to run on a GPU, or may not fill one: the default
      "executor/run-stage.ts",
      "memory/predict-stages.ts",
    ],
  },
  { word: /["'`](?:stage-\d|text-encoding)["'`]/, doors: ["plan/stages.ts"] },
  { word: /\b(?:name|stage)\b["']?\s*(?:[=!]==|:)\s*["'`]safety["'`]/, doors: ["plan/stages.ts"] }, // a kind is another thing
];

/** The programs that a process here and its child run, and the files of executor/ that both may know. */
const borders = [
  {
    parent: "executor/executor.ts",
    child: "executor/worker.ts",
    shared: ["executor/protocol.ts", "executor/serve.ts"],
  },
  {
    parent: "executor/inspect-image.ts",
    child: "executor/inspect-worker.ts",
    shared: ["executor/inspection.ts", "executor/serve.ts"],
  },
  { parent: "executor/probe.ts", child: "executor/probe-worker.ts", shared: ["executor/serve.ts"] },
] as const;

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
  expect(sources.flatMap((file) => strayWords(file, wordDoors))).toEqual([]);
});

test("providers and stages are named in their tables alone", () => {
  expect(sources.flatMap((file) => strayWords(file, nameDoors))).toEqual([]);
});

test("each exception is still one", () => {
  const rules = [...wordDoors, ...nameDoors];
  const unused = rules.flatMap(({ word, doors }) =>
    doors.filter((door) => !sources.some(({ path, code }) => isAt(path, [door]) && word.test(code))),
  );
  expect(unused).toEqual([]);
});

test.each(["cli/main.ts", "index.ts"])("nothing reachable from %s touches runtime/ or sharp", (start) => {
  expect(reachableFrom(start, sources).size).toBeGreaterThan(1); // 1: its imports were not understood
  expect(heavyWays(start, sources)).toEqual([]);
});

test.each(borders)("$parent imports no pipeline, and shares only messages with $child", (border) => {
  const parent = reachableFrom(border.parent, sources);
  expect(parent.size).toBeGreaterThan(1);
  expect([...parent].filter(([path]) => path.startsWith("pipelines/")).map(([, way]) => way)).toEqual([]);
  expect(sharedFiles(border.parent, border.child, sources)).toEqual([...border.shared].sort());
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
    const file = parseSource("onnx/lower/lower.ts", text);
    expect(upwardImports(file)).toEqual([
      "onnx/lower/lower.ts -> models/layers.ts",
      "onnx/lower/lower.ts -> weights/dtype.ts",
      "onnx/lower/lower.ts -> ../test/golden.ts",
      "onnx/lower/lower.ts -> pipelines/stage-1.ts",
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
    expect(strayWords(parseSource("hub/cache.ts", code), wordDoors)).toEqual([
      "hub/cache.ts: process.env",
      "hub/cache.ts: console.l",
      "hub/cache.ts: import(",
    ]);
    expect(strayWords(parseSource("cli/main.ts", "console.error(error)"), wordDoors)).toEqual([]);
  });

  test("a provider or a stage that is named, but not in a comment, a longer word or as a kind", () => {
    const named = (path: string, code: string): string[] => strayWords(parseSource(path, code), nameDoors);
    expect(named("run/draw.ts", `if (provider === "webgpu") return;`)).toEqual([`run/draw.ts: "webgpu"`]);
    expect(named("memory/budget.ts", `const isGpu = name !== 'cpu';`)).toEqual([`memory/budget.ts: 'cpu'`]);
    expect(named("pipelines/upscale.ts", `if (name === "stage-3") decode();`)).toEqual([
      `pipelines/upscale.ts: "stage-3"`,
    ]);
    expect(named("cli/report.ts", `const text = { "text-encoding": 1 };`)).toEqual([`cli/report.ts: "text-encoding"`]);
    expect(named("run/draw.ts", `stages.find((stage) => stage.name === "safety")`)).toEqual([
      `run/draw.ts: name === "safety"`,
    ]);
    expect(named("run/draw.ts", `const row = { stage: "safety" };`)).toEqual([`run/draw.ts: stage: "safety"`]);
    expect(named("onnx/lower/webgpu/webgpu.ts", `"webgpu"`)).toEqual([]);
    expect(named("plan/stages.ts", `{ name: "safety", label: "stage 1" }, "stage-1"`)).toEqual([]);
    const fine = `// "cuda"\nconst words = "cuda and webgpu", file = "stage-1.png", kind = { kind: "safety" };`;
    expect(named("run/draw.ts", fine)).toEqual([]);
  });

  test("what a parent and its child both load", () => {
    const house = [
      parseSource("executor/a.ts", `import { m } from "./messages.ts";\nimport { g } from "./guard.ts";`),
      parseSource("executor/b.ts", `import { m } from "./messages.ts";\nimport type { G } from "./guard.ts";`),
      parseSource("executor/messages.ts", `import { z } from "zod";`),
      parseSource("executor/guard.ts", `import { x } from "../errors.ts";`),
    ];
    expect(sharedFiles("executor/a.ts", "executor/b.ts", house)).toEqual(["executor/messages.ts"]);
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

function strayWords({ path, code }: SourceFile, rules: typeof wordDoors): string[] {
  return rules.flatMap(({ word, doors }) => {
    const [found] = word.exec(code) ?? [];
    return found === undefined || isAt(path, doors) ? [] : [`${path}: ${found}`];
  });
}

const isAt = (path: string, doors: readonly string[]): boolean =>
  doors.some((door) => path === door || ((door === "" || door.endsWith("/")) && path.startsWith(door)));

/** The files of executor/ that two programs load. */
function sharedFiles(one: string, other: string, house: readonly SourceFile[]): string[] {
  const others = reachableFrom(other, house);
  return [...reachableFrom(one, house).keys()]
    .filter((path) => path.startsWith("executor/") && others.has(path))
    .sort();
}

/** The ways from `start` to files that load onnxruntime or sharp. */
function heavyWays(start: string, house: readonly SourceFile[]): string[] {
  const ways = reachableFrom(start, house);
  const isHeavy = ({ path, imports }: SourceFile): boolean =>
    path.startsWith("runtime/") ||
    imports.some(({ target, typeOnly }) => !typeOnly && (target === "onnxruntime-node" || target === "sharp"));
  return house.filter(isHeavy).flatMap(({ path }) => ways.get(path)?.join(" -> ") ?? []);
}
