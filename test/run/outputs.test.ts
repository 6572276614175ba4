import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { numbered, outputPaths, prepareFolder, stagePicturePaths } from "../../src/run/outputs.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

describe("outputPaths", () => {
  test("one name as it is, several numbered from 1", () => {
    const folder = temporaryFolder();
    expect(outputPaths(join(folder, "a.png"), 1, false)).toEqual([join(folder, "a.png")]);
    expect(outputPaths(join(folder, "a.b.PNG"), 2, false)).toEqual([
      join(folder, "a.b-1.PNG"),
      join(folder, "a.b-2.PNG"),
    ]);
    expect(outputPaths("-", 1, false)).toEqual(["-"]);
  });

  test("each numbered name must be free, unless it may be replaced", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a-2.png"), "");
    expect(() => outputPaths(join(folder, "a.png"), 3, false)).toThrow(/a-2\.png exists/);
    expect(outputPaths(join(folder, "a.png"), 3, true)).toHaveLength(3);
    expect(outputPaths(join(folder, "a.png"), 1, false)).toHaveLength(1);
  });
});

test("numbered keeps folders and endings", () => {
  expect(numbered("x.y/a.png", 2)).toEqual(["x.y/a-1.png", "x.y/a-2.png"]);
  expect(stagePicturePaths("f", "stage-1", 1)).toEqual([join("f", "stage-1.png")]);
});

test("prepareFolder makes folders on the way and accepts one that is there", () => {
  const folder = join(temporaryFolder(), "a", "b");
  prepareFolder(folder);
  prepareFolder(folder);
  writeFileSync(join(folder, "file"), "");
  expect(() => prepareFolder(join(folder, "file", "c"))).toThrow(/cannot be created/);
});
