/** What cannot be meant or used ends with one sentence and its exit code, before a network is loaded. */

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import { encodePng } from "../../src/image/write-png.ts";
import { goldenPath } from "../golden.ts";
import { smallModel } from "../small-model.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

// main() listens to both streams, once in a process that ends with it; here it is called again and again
process.stdout.setMaxListeners(0);
process.stderr.setMaxListeners(0);

const photo = goldenPath("image", "inputs", "photo_101x67.png");
const model = ["--model", smallModel(), "--until", "64"];

/** Arguments, and what the sentence must say. */
type Refusal = readonly [args: readonly string[], says: RegExp];

const usage: readonly Refusal[] = [
  [["paint", "a cat"], /unknown command 'paint'/],
  [["txt2im", "a cat"], /did you mean txt2img\?/],
  [["a cat"], /unknown command 'a cat'; to draw it: if-gen txt2img "a cat"/],
  [
    ["txt2img", "a cat", "--steps", "20"],
    /here it is --stage-1-steps, --stage-2-steps or --stage-3-steps: see .*--help-all/,
  ],
  [["txt2img", "a cat", "--cfg-scale", "7"], /here it is .*--stage-1-guidance/],
  [["txt2img", "a cat", "--guidance_scale", "7"], /here it is .*--stage-1-guidance/],
  [["txt2img", "a cat", "--width", "512"], /here it is .*--until/],
  [["txt2img", "a cat", "-H", "512"], /here it is .*--until/],
  [["txt2img", "a cat", "--mask", photo], /inpaint has it/],
  [["upscale", photo, "--scale", "4"], /here it is --stages:/],
  [["txt2img", "a cat", "--scale", "4"], /here it is --stage-1-guidance, /],
  [["upscale", photo, "a cat", "--image", photo], /the image is given twice/],
  [["upscale", photo, "--stages", "stage-1"], /must be of stage-2 and stage-3/],
  [["txt2img", "a cat", "--token", "secret"], /if-gen login, or set HF_TOKEN/],
  [["models", "pull", "demo", "--token", "secret"], /here it is --token-stdin/],
  [["txt2img", "a cat", "--num_images", "2"], /it is written --num-images/],
  [["txt2img", "a cat", "--stage1Steps", "2"], /unknown option '--stage1Steps'/],
  [["txt2img", "a cat", "--unet-bit", "8"], /did you mean --unet-bits\?/],
  [["txt2img", "a cat", "--seed"], /--seed needs a value \(-s, --seed <list>\)/],
  [["models", "list", "demo"], /expected 0 arguments/i],
  [["schema", "plans"], /<name> plans is not valid: allowed choices are plan/],
  [["txt2img", "a cat", "--outdir", "x"], /here it is --output-folder or --output/],
  [["models", "show"], /<name> is missing; see if-gen models show --help/],
  [["completion"], /<shell> is missing: bash, zsh, fish or powershell/],
  [["txt2img"], /no prompt is given/],
  [["style", "--image", photo], /no style is given; .*--style "in neon style"/],
  [["txt2img", " "], /the prompt is empty/],
  [["txt2img", "a cat", "--prompt", "a dog"], /given twice/],
  [["txt2img", "a cat", "two", "three"], /in 3 parts; use quotes: if-gen txt2img "a cat two three"/],
  [["img2img", "photo.JPG", "a cat"], /the image is an option: if-gen img2img --image photo\.JPG "a cat"\. \[USAGE\]/],
  [["plan", "img2img", "a cat"], /plan is for txt2img; what another command would do: if-gen img2img \.\.\. --dry-run/],
  [["txt2img", "a cat", "--strength", "0.5"], /unknown option '--strength'; img2img has it/],
  [["txt2img", "a cat", "--image", photo], /unknown option '--image'; .*if-gen img2img --image FILE/],
  [["txt2img", "a cat", "--seed", "1.5"], /whole number from -2\^63 to 2\^64 - 1/],
  [["txt2img", "a cat", "--seed", String(2n ** 64n)], /whole number from -2\^63 to 2\^64 - 1/],
  [["txt2img", "a cat", "-o", "a.png", "-o", "b.png"], /given twice: a\.png and b\.png/],
  [["txt2img", "a cat", "--ram-budget", "13"], /13 is 13 bytes, in which nothing runs/],
  [["txt2img", "a cat", "--num-images", "0"], /whole number from 1 to 64/],
  [["txt2img", "a cat", "--until", "128"], /64, 256, 1024/],
  [["txt2img", "a cat", "--eta", "1.5"], /number from 0 to 1/],
  [["txt2img", "a cat", "--safety", "red"], /allowed choices are black, blur, off/],
  [["txt2img", "a cat", "--variant", "q4"], /allowed choices are fp32, fp16, 8bit/],
  [["txt2img", "a cat", "--stage-1-timesteps", "1,2,3"], /falling whole numbers/],
  [["txt2img", "a cat", "--stage-1-timesteps", "fast28", ...model], /none of fast27, smart27/],
  [["txt2img", "a cat", "--stage-1-steps", "5", "--stage-1-timesteps", "fast27", ...model], /exclude each other/],
  [["txt2img", "a cat", "--stage-1-noise-level", "5"], /unknown option/],
  [["txt2img", "a cat", "--stage-3-noise-level", "400", "--model", smallModel()], /at most 350/],
  [["txt2img", "a cat", "--output", "cat.gif", ...model], /ends in \.png, \.jpg/],
  [
    ["txt2img", "a cat", "--output", "cat.jpg", "--format", "webp", ...model],
    /jpeg by its name, and --format says webp/,
  ],
  [["txt2img", "a cat", "--format", "gif", ...model], /png, jpeg, webp, avif, tiff/],
  [["txt2img", "a cat", "--grid", "all.png", ...model], /--grid makes a sheet of several images/],
  [["txt2img", "a cat", "--output", "-", "--num-images", "2", ...model], /--output - takes one image/],
  [["img2img", "a cat", ...model], /no image is given/],
  [["img2img", "a cat", "--image", photo, "--strength", "0", ...model], /above 0, and 1 at most/],
  [["img2img", "a cat", "--image", photo, "--strength", "2", ...model], /above 0, and 1 at most/],
  [["img2img", "a cat", "--image", photo, "--stage-1-strength", "nan", ...model], /above 0, and 1 at most/],
  [["img2img", "a cat", "--image", photo, "--stage-3-strength", "0.5", ...model], /unknown option/],
  [["inpaint", "a cat", "--image", photo, ...model], /nothing says what to repaint/],
  [["inpaint", "a cat", "--image", photo, "--mask-rect", "1,2,3", ...model], /x,y,width,height in whole pixels/],
  [["inpaint", "a cat", "--image", photo, "--mask-rect", "1,2,0,3", ...model], /x,y,width,height in whole pixels/],
];

describe("usage: exit code 2", () => {
  test.each(usage)("%j", ([...args], says) => expectRefusalHere(args, 2, says));

  const rows: readonly Refusal[] = [
    [["img2img", "a cat", "--image", photo, "--strength", "0.01", ...model], /leaves none of the 80 steps of stage 1/],
    [["inpaint", "a cat", "--image", photo, "--mask-rect", "101,0,5,5", ...model], /lies outside .* is 101x67/],
    [["inpaint", "a cat", "--image", photo, "--mask-ellipse", "-9,0,9,9", ...model], /-9,0,9,9 lies outside/],
  ];
  test.each(rows)("with the image in view: %j", ([...args], says) => expectRefusal(args, 2, says));
});

test.each([[["a\u001b[2Jb"]], [["txt2img", "a cat", "--a\u001b[2J"]], [["txt2img", "a cat", "--safety", "\u009b2J"]]])(
  "what was typed is repeated without the signs that a terminal obeys: %j",
  async (args) => {
    const { code, stderr } = await runCli(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/\\u\{(1b|9b)\}/);
    expect(["\u001b", "\u009b"].filter((sign) => stderr.includes(sign))).toEqual([]);
  },
);

test.skipIf(process.platform === "win32").each([24, 30, 40])(
  "no more than %i open files: code 7 or done",
  async (count) => {
    const prefix = ["bash", "-c", `ulimit -n ${count}; exec "$@"`, "bash"];
    const { code, stderr } = await runCli(["models", "list"], { prefix });
    expect([0, 7]).toContain(code);
    expect(stderr).toMatch(/^note: [^\n]*\n$|^if-gen: [^\n]*ulimit -n 1024[^\n]*\n$/);
  },
);

describe("model: exit code 4", () => {
  const rows: readonly Refusal[] = [
    [["txt2img", "a cat", "--model", "no-such-model"], /no-such-model is neither a folder/],
    [["txt2img", "a cat", "--model", "demoo"], /did you mean demo\?/],
    [["img2img", "a cat", "--image", photo, "--model", goldenPath("image")], /if-i is missing/],
  ];
  test.each(rows)("%j", ([...args], says) => expectRefusalHere(args, 4, says));
});

describe("input images: exit code 5", () => {
  const rows: readonly Refusal[] = [
    [["img2img", "a cat", "--image", "nope.png", ...model], /nope\.png cannot be read: there is no such file/],
    [["img2img", "a cat", "--image", ".", ...model], /is a folder/],
    [["img2img", "a cat", "--image", "text.png", ...model], /not an image that can be read/],
    [["img2img", "a cat", "--image", "narrow.png", ...model], /40x2 is too narrow: the long side may be 16 times/],
    [["inpaint", "a cat", "--image", photo, "--mask", "nope.png", ...model], /nope\.png cannot be read/],
    [["inpaint", "a cat", "--image", photo, "--mask", "black.png", ...model], /the mask marks nothing/],
    [["inpaint", "a cat", "--image", photo, "--mask-rect", "0,0,101,67", "--invert-mask", ...model], /marks nothing/],
    [["inpaint", "a cat", "--image", photo, "--mask-rect", "5,5,1,1", ...model], /marks less than a pixel/],
  ];
  test.each(rows)("%j", async ([...args], says) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "text.png"), "this is no image");
    writeFileSync(join(folder, "narrow.png"), await encodePng(blackImage(40, 2)));
    writeFileSync(join(folder, "black.png"), await encodePng(blackImage(20, 10)));
    await expectRefusal(args, 5, says, folder);
  });
});

describe("output: exit code 6", () => {
  test("a file that exists, a folder that does not, one that is a file, one in an image's place", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "there.png"), "");
    mkdirSync(join(folder, "folder.png"));
    const refuse = (output: string, says: RegExp, ...more: string[]): Promise<void> =>
      expectRefusalHere(["txt2img", "a cat", ...model, "-o", join(folder, output), ...more], 6, says);
    await refuse("there.png", /there\.png exists; .*--overwrite/);
    await refuse("nowhere/a.png", /nowhere, .* does not exist/);
    await refuse("a.png", /there\.png cannot be created/, "--save-stages", join(folder, "there.png"));
    await refuse("folder.png", /folder\.png is a folder/, "--overwrite");
  });

  test("a dry run and a plan look at every place that is named, and make nothing", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "there.png"), "");
    const refuse = async (code: number, says: RegExp, ...words: string[]): Promise<void> => {
      const named = words.map((word) => word.replace("@", `${folder}/`));
      await expectRefusalHere(["txt2img", "a cat", ...model, "--dry-run", ...named], code, says);
      await expectRefusalHere(["plan", "a cat", ...model, ...named], code, says);
    };
    await refuse(6, /there\.png exists; .*--overwrite/, "-o", "@there.png");
    await refuse(2, /a\.png and .*a\.png are one file/, "-o", "@a.png", "--report", "@./a.png");
    await refuse(6, /there\.png is a file where a folder is needed/, "-o", "@a.png", "--save-stages", "@there.png");
    await refuse(6, /there\.png is a file where a folder is needed/, "--run-dir", "@there.png/run");
    if (existsSync("/proc/self")) {
      await refuse(6, /nothing can be written in \/proc/, "-o", "/proc/a.png");
      await refuse(6, /nothing can be written in \/proc/, "--run-dir", "/proc/a/run");
    }
    expect(readdirSync(folder)).toEqual(["there.png"]);
  });
});

/** In this process: what is refused before any image is looked at. */
async function expectRefusalHere(args: readonly string[], code: number, says: RegExp): Promise<void> {
  let stderr = "";
  const written = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  try {
    expect(await main(args)).toBe(code);
  } finally {
    written.mockRestore();
  }
  expectSentence(stderr, says);
}

/** Through the program. */
async function expectRefusal(args: readonly string[], code: number, says: RegExp, cwd?: string): Promise<void> {
  const run = await runCli(args, cwd === undefined ? {} : { cwd });
  expectSentence(run.stderr, says);
  expect(run.code).toBe(code);
  expect(run.stdout.toString()).toBe("");
}

/** One line in the form that all errors have; notes may come before it. */
function expectSentence(stderr: string, says: RegExp): void {
  expect(stderr).toMatch(says);
  expect(stderr).toMatch(/^(note: .*\n)*if-gen: .*[.?] \[[A-Z_]+\]\n$/);
}

function blackImage(width: number, height: number): { data: Uint8Array; width: number; height: number; channels: 3 } {
  return { data: new Uint8Array(3 * width * height), width, height, channels: 3 };
}
