/** Each way of showing an image, taken apart again. */

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { showPreview } from "../../src/cli/preview.ts";
import { previewSettings } from "../../src/cli/preview-options.ts";
import { encodePlainPng } from "../../src/image/plain-png.ts";
import { terminalGraphics } from "../../src/machine/terminal-graphics.ts";
import { smallModel } from "../small-model.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

/** Left red, right blue; the lower half darker. */
function pixels(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: 3 * width * height }, (_, at) => {
    const [pixel, channel] = [Math.floor(at / 3), at % 3];
    const isLit = channel === (pixel % width < width / 2 ? 0 : 2);
    return isLit ? (pixel < (width * height) / 2 ? 255 : 102) : 0;
  });
}

const [width, height] = [64, 64];
const preview = { width, height, rgb: Buffer.from(pixels(width, height)).toString("base64") };

/** Controls as signs that can be read. */
const seen = (text: string): string => text.replaceAll("\u001b", "␛").replaceAll("\u0007", "␇");

test("a plain PNG is a PNG", async () => {
  const { data, info } = await sharp(encodePlainPng({ data: pixels(5, 4), width: 5, height: 4 }))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ width: 5, height: 4, channels: 3 });
  expect(new Uint8Array(data)).toEqual(pixels(5, 4));
});

test("kitty: the pixels in pieces, one image in place of the other, the cursor stays", () => {
  const { text, rows } = showPreview(preview, "kitty", 80);
  const pieces = [...seen(text).matchAll(/␛_G([^;]*);([^␛]*)␛\\/g)];
  expect(pieces.map(([piece]) => piece).join("")).toBe(seen(text));
  expect(pieces[0]?.[1]).toBe(`f=24,s=64,v=64,a=T,i=1,q=2,C=1,c=32,r=${rows},m=1`);
  expect(pieces.map(([, keys]) => keys?.at(-1))).toEqual([...pieces.slice(1).map(() => "1"), "0"]);
  expect(Math.max(...pieces.map(([, , base64 = ""]) => base64.length))).toBeLessThanOrEqual(4096);
  const bytes = Buffer.from(pieces.map(([, , base64]) => base64).join(""), "base64");
  expect(new Uint8Array(bytes)).toEqual(pixels(width, height));
});

test("iTerm2: a PNG", async () => {
  const { text } = showPreview(preview, "iterm2", 80);
  const [, facts = "", base64 = ""] = /^␛\]1337;File=([^:]*):(.*)␇$/.exec(seen(text)) ?? [];
  const png = Buffer.from(base64, "base64");
  expect(facts).toContain(`size=${png.length};width=32;height=16`);
  expect(new Uint8Array(await sharp(png).raw().toBuffer())).toEqual(pixels(width, height));
});

test("sixel: every pixel once, in its colour", () => {
  const { text, rows } = showPreview(preview, "sixel", 80);
  const [, wide = "", tall = "", body = ""] = /^␛Pq"1;1;(\d+);(\d+)(.*)␛\\$/s.exec(seen(text)) ?? [];
  expect([Number(wide), Number(tall)]).toEqual([rows * 18, rows * 18]);
  const palette = new Map([...body.matchAll(/#(\d+);2;(\d+);(\d+);(\d+)/g)].map(([, n, ...rgb]) => [n, rgb.join()]));
  const counts = new Map<string, number>();
  for (const pass of body.replaceAll(/#\d+;2;\d+;\d+;\d+/g, "").split(/[-$]/)) {
    const [, colour = "", signs = ""] = /^#(\d+)(.*)$/s.exec(pass) ?? [];
    const plain = signs.replaceAll(/!(\d+)(.)/gs, (_, count: string, sign: string) => sign.repeat(Number(count)));
    expect(plain.length).toBe(Number(wide));
    const pixels = plain.split("").reduce((sum, sign) => sum + countBits(sign.charCodeAt(0) - 63), 0);
    counts.set(palette.get(colour) ?? "", (counts.get(palette.get(colour) ?? "") ?? 0) + pixels);
  }
  const quarter = (Number(wide) * Number(tall)) / 4;
  expect(Object.fromEntries(counts)).toEqual({
    "100,0,0": quarter,
    "0,0,100": quarter,
    "40,0,0": quarter,
    "0,0,40": quarter,
  });
});

const countBits = (bits: number): number => bits.toString(2).replaceAll("0", "").length;

test("half blocks: two pixels a cell, as wide as the terminal allows", () => {
  const { text, rows } = showPreview(preview, "blocks", 20);
  expect(rows).toBe(10);
  const lines = text.split("\u001b[1B\r");
  expect(lines).toHaveLength(10);
  expect(lines.map((line) => line.split("▀").length - 1)).toEqual(lines.map(() => 20));
  expect(lines[0]?.startsWith("\u001b[38;2;255;0;0;48;2;255;0;0m▀")).toBe(true);
  expect(lines.at(-1)?.endsWith("\u001b[38;2;0;0;102;48;2;0;0;102m▀\u001b[0m")).toBe(true);
});

test.each([
  [{ TERM: "xterm-kitty" }, "kitty"],
  [{ TERM: "xterm-256color", TERM_PROGRAM: "ghostty" }, "kitty"],
  [{ TERM: "xterm-256color", TERM_PROGRAM: "iTerm.app" }, "iterm2"],
  [{ TERM: "foot" }, "sixel"],
  [{ TERM: "xterm-256color" }, "blocks"],
  [{ TERM: "tmux-256color", TMUX: "/tmp/tmux", KITTY_WINDOW_ID: "1" }, "blocks"],
] as const)("%j: %s", (env, protocol) => {
  expect(terminalGraphics(env)).toBe(protocol);
});

test("nothing is shown in a pipe", () => {
  expect(previewSettings({ preview: "kitty", previewEvery: 5 }, {})).toBeUndefined();
  expect(previewSettings({ previewEvery: 5 }, { isTTY: true })).toBeUndefined();
  expect(previewSettings({ preview: "kitty", previewEvery: 5 }, { isTTY: true })).toEqual({
    protocol: "kitty",
    every: 5,
  });
});

describe("--save-steps", () => {
  const model = ["--model", smallModel(), "--until", "64", "--stage-1-steps", "3", "--safety", "off"];
  const drawing = ["txt2img", "a cat", ...model, "--execution-provider", "cpu", "--seed", "7", "--quiet"];

  test("keeps what each step predicts", { timeout: 180_000 }, async () => {
    const folder = temporaryFolder();
    const args = [...drawing, "-o", "cat.png", "--save-steps", "steps", "--save-latents", "latents"];
    expect(await runCli(args, { cwd: folder })).toMatchObject({ code: 0, stderr: "" });
    const names = readdirSync(join(folder, "steps")).sort();
    expect(names).toEqual([1, 2, 3].map((step) => `stage-1-step-00${step}.png`));
    expect(readdirSync(join(folder, "latents")).sort()).toEqual(
      names.map((name) => name.replace(".png", ".safetensors")),
    );
    const drawn = (name: string): Promise<Buffer> => sharp(join(folder, name)).removeAlpha().raw().toBuffer();
    expect((await drawn("steps/stage-1-step-003.png")).length).toBe((await drawn("cat.png")).length);
  });

  test("does not replace those of an earlier run", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "stage-1-step-001.png"), "");
    const { code, stderr } = await runCli([...drawing, "--save-steps", "."], { cwd: folder });
    expect(stderr).toMatch(/holds stage-1-step-001\.png of an earlier run; .*--overwrite\. \[OUTPUT\]\n$/);
    expect(code).toBe(6);
  });
});
