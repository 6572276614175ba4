/** Files of other formats, and sheets, as the program writes them. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { smallModel } from "../small-model.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const model = ["--model", smallModel(), "--until", "64", "--stage-1-steps", "1", "--safety", "off"];
const drawing = ["txt2img", "a cat", ...model, "--execution-provider", "cpu", "--seed", "7", "--quiet"];

test(
  "by --output's end or by --format, several and their sheet; nothing else is left",
  { timeout: 180_000 },
  async () => {
    const folder = temporaryFolder();
    const draw = (...words: string[]): Promise<unknown> => runCli([...drawing, ...words], { cwd: folder });
    expect(await draw("-o", "cat.jpg", "--num-images", "2", "--grid", "all.webp")).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect(await draw("--format", "tiff")).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(folder).sort()).toEqual(["all.webp", "cat-1.jpg", "cat-2.jpg", "if-gen-7.tif"]);
    const kinds = await Promise.all(
      readdirSync(folder).map(async (name) => (await sharp(join(folder, name)).metadata()).format),
    );
    expect(kinds.sort()).toEqual(["jpeg", "jpeg", "tiff", "webp"]);
    const { xmp } = await sharp(readFileSync(join(folder, "cat-1.jpg"))).metadata();
    expect(xmp?.toString()).toMatch(/a cat\nSteps: 1, .*Seed: 7/);
  },
);

test("standard output has the format too", { timeout: 180_000 }, async () => {
  const folder = temporaryFolder();
  const { stdout } = await runCli([...drawing, "-o", "-", "--format", "webp"], {
    cwd: folder,
    env: { TMPDIR: folder },
  });
  expect((await sharp(stdout).metadata()).format).toBe("webp");
  expect(readdirSync(folder)).toEqual([]);
});
