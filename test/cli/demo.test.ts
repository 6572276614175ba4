/** The cascade that comes with the program draws what its prompts say, with its own defaults. */

import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { runCli, temporaryFolder } from "./run-cli.ts";

interface Picture {
  readonly width: number;
  readonly height: number;
  /** [red, green, blue], 0 to 255. */
  readonly at: (x: number, y: number) => readonly [number, number, number];
}

type Colour = "red" | "blue" | "white" | "dark";

const nameOf = ([r, g, b]: readonly [number, number, number]): Colour | undefined => {
  if (r > 170 && g < 110 && b < 110) return "red";
  if (b > 150 && r < 100 && g < 150) return "blue";
  if (Math.min(r, g, b) > 225) return "white";
  return Math.max(r, g, b) < 70 ? "dark" : undefined;
};

async function read(file: string | Buffer): Promise<Picture> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const at = (x: number, y: number) => {
    const start = (y * width + x) * 3;
    return [data[start] ?? 0, data[start + 1] ?? 0, data[start + 2] ?? 0] as const;
  };
  return { width, height, at };
}

/** Where a colour is: its share of the picture and its middle, in parts of the picture's sides. */
function find({ width, height, at }: Picture, colour: Colour): { share: number; x: number; y: number } {
  let [count, x, y] = [0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (nameOf(at(column, row)) !== colour) continue;
      [count, x, y] = [count + 1, x + column, y + row];
    }
  }
  return { share: count / (width * height), x: x / count / width, y: y / count / height };
}

async function draw(...args: string[]): Promise<Picture> {
  const folder = temporaryFolder();
  const output = join(folder, "out.png");
  const run = await runCli([...args, "-o", output, "--execution-provider", "cpu"], { env: { HOME: folder } });
  expect(run, run.stderr).toMatchObject({ code: 0 });
  return read(output);
}

const bothThings = "a large red circle left of a small blue star on a white background";

test("the README's first command: the whole cascade to 1024 px", { timeout: 240_000 }, async () => {
  const picture = await draw("txt2img", bothThings, "--seed", "1");
  expect(picture).toMatchObject({ width: 1024, height: 1024 });
  const [circle, star, ground] = [find(picture, "red"), find(picture, "blue"), find(picture, "white")];
  // drawn pictures of this prompt: a circle of 0.12 to 0.14 of the picture, a star of 0.015 to 0.03
  expect(circle.share).toBeGreaterThan(0.1);
  expect(circle.share).toBeLessThan(0.16);
  expect(star.share).toBeGreaterThan(0.01);
  expect(star.share).toBeLessThan(0.04);
  expect(circle.x).toBeLessThan(0.35);
  expect(star.x).toBeGreaterThan(0.65);
  expect(Math.abs(circle.y - 0.5)).toBeLessThan(0.08);
  expect(circle.share + star.share + ground.share).toBeGreaterThan(0.97); // outlines are sharp, nothing else is there
});

test("order and place are read", { timeout: 60_000 }, async () => {
  const picture = await draw(
    "txt2img",
    "a blue square below a red heart on a white background",
    "--seed",
    "2",
    "--until",
    "64",
  );
  expect(find(picture, "red").y).toBeLessThan(0.4);
  expect(find(picture, "blue").y).toBeGreaterThan(0.6);
});

test("a sign has as many letters as its word", { timeout: 120_000 }, async () => {
  const picture = await draw("txt2img", 'a white sign that says "HELLO"', "--seed", "3", "--until", "256");
  const inBoard = Array.from({ length: picture.width }, (_, x) =>
    [...Array(25).keys()].some((row) => nameOf(picture.at(x, 116 + row)) === "dark"),
  );
  const strokes = inBoard.filter((dark, x) => dark && !inBoard[x - 1]).length;
  expect(strokes).toBe(7); // the board's left edge, H, E, L, L, O, its right edge
});

test("things are counted and keep their colours", { timeout: 60_000 }, async () => {
  const picture = await draw("txt2img", "three apples on a white background", "--seed", "1", "--until", "64");
  const columns = Array.from({ length: picture.width }, (_, x) =>
    [...Array(picture.height).keys()].some((y) => nameOf(picture.at(x, y)) === "red"),
  );
  expect(columns.filter((red, x) => red && !columns[x - 1]).length).toBe(3);
});

/** The mean of a row, of each colour. */
const meanOfRow = ({ width, at }: Picture, y: number): number[] =>
  [0, 1, 2].map((colour) => Array.from({ length: width }, (_, x) => at(x, y)[colour]!).reduce((a, b) => a + b) / width);

test("the x4 upscaler goes on with an even ground to the last row", { timeout: 120_000 }, async () => {
  const image = join(temporaryFolder(), "circle.png");
  const circle = `<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"><rect width="256" height="256"
    fill="#2c60dc"/><circle cx="128" cy="128" r="90" fill="#f08a24"/></svg>`;
  await sharp(Buffer.from(circle)).png().toFile(image);
  const prompt = "a large orange circle on a blue background";
  const options = ["--stages", "stage-3", "--seed", "1", "--no-watermark"];
  const picture = await draw("upscale", image, prompt, ...options);
  const ground = meanOfRow(picture, picture.height - 24);
  const gaps = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((up) =>
    meanOfRow(picture, picture.height - 1 - up).map((value, colour) => Math.abs(value - ground[colour]!)),
  );
  expect(Math.max(...gaps)).toBeLessThan(3); // levels of 255; the decoder before was off by 5.7
});

/** A shaded ball and a shaded square on a light table: nothing like the flat drawings the cascade learnt from. */
const shaded = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512">
  <defs><radialGradient id="ball" cx="0.35" cy="0.3"><stop offset="0" stop-color="#ff9a90"/>
  <stop offset="0.5" stop-color="#d03028"/><stop offset="1" stop-color="#701008"/></radialGradient>
  <linearGradient id="table" x2="0" y2="1"><stop offset="0" stop-color="#d8ccb8"/><stop offset="1" stop-color="#a89880"/>
  </linearGradient></defs><rect width="512" height="512" fill="url(#table)"/>
  <circle cx="140" cy="256" r="100" fill="url(#ball)"/>
  <rect x="290" y="172" width="168" height="168" fill="#d8b038"/></svg>`);

test("img2img: neon keeps the layout", { timeout: 120_000 }, async () => {
  const image = join(temporaryFolder(), "ball.png");
  await sharp(shaded).png().toFile(image);
  const prompt = "a large red circle left of a large yellow square in neon style";
  const picture = await draw("img2img", "--image", image, prompt, "--seed", "4", "--until", "64", "--no-watermark");
  expect(find(picture, "dark").share).toBeGreaterThan(0.6);
  let [near, bright] = [0, 0];
  for (let y = 0; y < 64; y++) {
    for (let x = 0; x < 64; x++) {
      if (picture.at(x, y)[0] < 150) continue;
      bright++;
      // the two outlines in the picture of 64 px, and the width of a neon line with its glow
      const toBall = Math.abs(Math.hypot(x + 0.5 - 17.5, y + 0.5 - 32) - 12.5);
      const toSquare = Math.abs(Math.max(Math.abs(x + 0.5 - 46.75), Math.abs(y + 0.5 - 32)) - 10.5);
      if (Math.min(toBall, toSquare) < 4) near++;
    }
  }
  expect(bright).toBeGreaterThan(40);
  expect(near / bright).toBeGreaterThan(0.8);
});

test("inpaint: what is outside the mask stays", { timeout: 120_000 }, async () => {
  const image = join(temporaryFolder(), "ball.png");
  const original = await sharp(shaded).png().toBuffer();
  await sharp(original).toFile(image);
  const prompt = "a large red circle left of a small blue star on a white background";
  const picture = await draw(
    "inpaint",
    "--image",
    image,
    "--mask-rect",
    "270,150,220,220",
    prompt,
    "--seed",
    "5",
    "--until",
    "256",
    "--no-watermark",
  );
  const before = await read(await sharp(original).resize(picture.width, picture.height).png().toBuffer());
  let [outside, inside] = [0, 0];
  for (let y = 0; y < 256; y++) {
    for (let x = 0; x < 256; x++) {
      const change = Math.max(...picture.at(x, y).map((value, i) => Math.abs(value - (before.at(x, y)[i] ?? 0))));
      if (x > 150 && x < 235 && y > 90 && y < 175) inside = Math.max(inside, change);
      if (x < 128 || y < 68 || y > 192) outside = Math.max(outside, change);
    }
  }
  expect(inside).toBeGreaterThan(80);
  expect(outside).toBeLessThan(24); // two ways of making a picture smaller differ a little at outlines
});
