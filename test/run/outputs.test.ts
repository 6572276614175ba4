import { mkdirSync, readFileSync, readdirSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OutputError, UsageError } from "../../src/errors.ts";
import { checkDistinct, checkOutputs, imagePaths, placeOutput } from "../../src/run/outputs.ts";
import { savedStageFiles } from "../../src/run/stage-images.ts";
import { plainRequest } from "../plan/plain-request.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

test("one image has the name that was given, several are numbered; other endings are refused", () => {
  expect(imagePaths("a/car.png", 1)).toEqual(["a/car.png"]);
  expect(imagePaths("a/car.png", 3)).toEqual(["a/car-1.png", "a/car-2.png", "a/car-3.png"]);
  expect(imagePaths("car.PNG", 1)).toEqual(["car.PNG"]);
  expect(imagePaths("car.jpg", 2)).toEqual(["car-1.jpg", "car-2.jpg"]);
  expect(imagePaths("car", 1, "jpeg")).toEqual(["car.jpg"]);
  expect(imagePaths("v1.5", 2, "webp")).toEqual(["v1.5-1.webp", "v1.5-2.webp"]);
  expect(imagePaths("car.TIF", 1, "tiff")).toEqual(["car.TIF"]);
  expect(() => imagePaths("car.gif", 1)).toThrow(UsageError);
  expect(() => imagePaths("car", 1)).toThrow(UsageError);
  expect(() => imagePaths("car.jpg", 1, "png")).toThrow("is jpeg by its name, and --format says png");
  expect(savedStageFiles({ ...plainRequest, until: 256, numImages: 2 })).toEqual([
    "prompt_embeds.safetensors",
    "negative_prompt_embeds.safetensors",
    "stage-1.safetensors",
    "stage-2.safetensors",
    "stage-1-1.png",
    "stage-1-2.png",
    "stage-2-1.png",
    "stage-2-2.png",
  ]);
});

describe("before a run", () => {
  test("names of any length that disks take, and nothing is left of the looking", async () => {
    const folder = temporaryFolder();
    await checkOutputs([join(folder, `${"x".repeat(251)}.png`), join(folder, "b.json")], false);
    expect(readdirSync(folder)).toEqual([]);
    const longer = checkOutputs([join(folder, `${"x".repeat(252)}.png`)], false);
    await expect(longer).rejects.toThrow(/the name of x+\.\.\. is too long: 255 bytes/);
  });

  test("a folder is written into once, however many files it will have", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "other"));
    symlinkSync(".", join(folder, "same"));
    const seen = new Set<string | null>();
    const watcher = watch(folder, (_, name) => seen.add(name));
    const names = ["a.png", "b.png", "same/c.png", "other/d.png"];
    await checkOutputs(
      names.map((name) => join(folder, name)),
      false,
    );
    writeFileSync(join(folder, "end"), "");
    await expect.poll(() => seen.has("end")).toBe(true);
    watcher.close();
    expect(seen.size).toBe(2);
  });

  test("two names of one file, also in a folder that is yet to be made", async () => {
    const folder = temporaryFolder();
    const twins = [join(folder, "new", "stage-1.png"), join(folder, "new", ".", "stage-1.png")];
    await expect(checkDistinct(twins)).rejects.toThrow(/are one file; give them different names/);
    symlinkSync("a.png", join(folder, "b.png"));
    writeFileSync(join(folder, "a.png"), "");
    await expect(checkDistinct(["a.png", "b.png"].map((name) => join(folder, name)))).rejects.toThrow(UsageError);
    await checkDistinct([join(folder, "new", "stage-1.png"), join(folder, "stage-1.png")]);
  });

  test("what is in the way: a file, a folder, a link to nothing, a pipe, a device, a missing folder, /proc", async () => {
    const folder = temporaryFolder();
    const at = (name: string): string => join(folder, name);
    writeFileSync(at("file.png"), "");
    mkdirSync(at("folder.png"));
    symlinkSync("nowhere.png", at("dangling.png"));
    spawnSync("mkfifo", [at("pipe.png")]);
    const refusals = [
      [at("file.png"), false, /exists; give another name, or --overwrite/],
      [at("dangling.png"), false, /exists; give another name/],
      [at("folder.png"), true, /is a folder/],
      [at("pipe.png"), true, /is a device or a pipe/],
      ["/dev/null", true, /is a device or a pipe|nothing can be written/],
      [at("none/a.png"), false, /none, the folder of .*, does not exist/],
      ["/proc/x.png", false, /nothing can be written in \/proc/],
    ] as const;
    for (const [path, overwrite, says] of refusals) {
      const refused = checkOutputs([path], overwrite);
      await expect(refused, path).rejects.toThrow(says);
      await expect(refused, path).rejects.toBeInstanceOf(OutputError);
    }
    await checkOutputs([at("file.png"), at("dangling.png")], true);
  });

  test("no two are one file, also through links", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "real"));
    symlinkSync("real", join(folder, "other"));
    const twice = [join(folder, "real", "a.png"), join(folder, "other", "a.png")];
    await expect(checkOutputs(twice, false)).rejects.toThrow(/are one file/);
    await expect(
      checkOutputs(
        ["a.png", "./a.png"].map((name) => `${folder}/${name}`),
        true,
      ),
    ).rejects.toThrow(UsageError);
  });
});

describe("after a run", () => {
  test("a file that appeared meanwhile stays, the result lies beside it, and it is said", async () => {
    const folder = temporaryFolder();
    const [source, path] = [join(folder, "source"), join(folder, "cat.png")];
    writeFileSync(source, "result");
    writeFileSync(path, "somebody's");
    const placed = placeOutput(source, path, false);
    await expect(placed).rejects.toThrow(/cat\.png appeared while the run drew .*; the result is in .*cat\.2\.png\./);
    expect([path, join(folder, "cat.2.png")].map((file) => readFileSync(file, "utf8"))).toEqual([
      "somebody's",
      "result",
    ]);
  });

  test("the same result from an earlier attempt is no obstacle; --overwrite replaces", async () => {
    const folder = temporaryFolder();
    const [source, path] = [join(folder, "source"), join(folder, "cat.png")];
    writeFileSync(source, "result");
    writeFileSync(path, "result");
    await placeOutput(source, path, false);
    writeFileSync(path, "older");
    await placeOutput(source, path, true);
    expect(readFileSync(path, "utf8")).toBe("result");
    expect(readdirSync(folder).sort()).toEqual(["cat.png", "source"]);
  });
});
