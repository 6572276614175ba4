/** Whole runs of the program, on the tiny checkpoints. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseParameters } from "../../src/image/parameters.ts";
import { parsePngText } from "../../src/image/png-text.ts";
import { readImage } from "../../src/image/read-image.ts";
import { resizePil } from "../../src/image/resize-pil.ts";
import { encodePng } from "../../src/image/write-png.ts";
import { goldenPath, goldenSampleSize } from "../golden.ts";
import { smallModel } from "../small-model.ts";
import { eventSchema } from "../../src/cli/event-schema.ts";
import { eventsOf, finish, runCli, startUntilFirstStage, temporaryFolder } from "./run-cli.ts";

const common = ["--seed", "7", "--execution-provider", "cpu"];
const model = ["--model", smallModel(), ...common];
/** What sizes a network takes depends on how many blocks it has. */
const reference = ["--model", goldenPath("checkpoints"), ...common];
const photo = goldenPath("image", "inputs", "photo_75x50.jpg");

/** In that image, less than a pixel of stage 1 but not of stage 2. */
const tooSmall = goldenSampleSize("if-ii") === 48 ? "10,10,1,1" : "10,10,2,2";

/** An image whose shape the reference refuses in stage 2, and what is drawn instead, for either set's side. */
const [refused, drawn] =
  goldenSampleSize("if-ii") === 48
    ? [photo, { width: 80, height: 48 }]
    : [goldenPath("image", "inputs", "gray_83x61.png"), { width: 48, height: 32 }];

describe("txt2img", () => {
  test("a pipe gets a line per stage; two images, their settings, the result as JSON; what was cut off", async () => {
    const folder = temporaryFolder();
    const prompt = `${"a red cat and ".repeat(40)}the end`;
    const run = await runCli(
      [
        "txt2img",
        prompt,
        ...model,
        "--until",
        "64",
        "--stage-1-steps",
        "2",
        "--num-images",
        "2",
        "-o",
        "cat.png",
        "--json",
      ],
      { cwd: folder },
    );
    expect(run.code).toBe(0);
    const lines = run.stderr.trim().split("\n");
    expect(lines.slice(0, 5)).toEqual([
      "execution provider: cpu (named)",
      expect.stringMatching(/^note: The prompt is longer than T5's 77 tokens; this part was left out: ".*the end"$/),
      expect.stringMatching(/^\[1\/3\] text .*encoding the prompt 1\/1/),
      expect.stringMatching(/^\[2\/3\] stage 1, 24 px .*denoising 2\/2/),
      expect.stringMatching(/^\[3\/3\] safety .*looking at the images 2\/2/),
    ]);
    expect(lines.at(-1)).toMatch(/^wrote cat-1\.png, cat-2\.png \(24x24, seed 7\) in /);
    const events = eventsOf(run);
    for (const event of events) expect(eventSchema.safeParse(event).error).toBeUndefined();
    expect(new Set(events.map(({ type }) => type))).toEqual(
      new Set(["note", "plan", "progress", "result", "stage", "stage-end"]),
    );
    expect(JSON.stringify(events[0])).not.toContain("a red cat and a red cat");
    const result = events.at(-1) as { outputs: string[]; safety: object[]; notes: string[] };
    expect(result.outputs).toEqual(["cat-1.png", "cat-2.png"]);
    expect(result.safety).toHaveLength(2);
    expect(result).toMatchObject({ executionProvider: { requested: "cpu", name: "cpu" } });
    expect(result.notes[0]).toMatch(/77 tokens/);
    expect(readdirSync(folder).sort()).toEqual(["cat-1.png", "cat-2.png"]);
    const { settings } = parseParameters(parsePngText(readFileSync(join(folder, "cat-2.png"))).get("parameters") ?? "");
    expect(Object.fromEntries(settings)).toMatchObject({ Seed: "7", Steps: "2", Size: "24x24", "Batch pos": "1" });
  });

  test("the same seed gives the same bytes, on standard output too; --quiet is quiet; no watermark is said", async () => {
    const args = ["txt2img", "a cat", ...model, "--until", "64", "--stage-1-steps", "1", "--no-watermark", "--quiet"];
    const [one, two] = await Promise.all([runCli([...args, "-o", "-"]), runCli([...args, "-o", "-"])]);
    expect(one.stderr).toBe("");
    expect(one.stdout.length).toBeGreaterThan(100);
    expect(one.stdout.equals(two.stdout)).toBe(true);
    const said = await runCli(["txt2img", "a cat", ...model, "--until", "64", "--no-watermark", "--dry-run"]);
    expect(said.stdout.toString()).toMatch(/note: --no-watermark: DeepFloyd's licence \(2c\) says/);
  });
});

describe("img2img", () => {
  test("a shape that the reference refuses: all three stages, a size that each accepts, and a note", async () => {
    const folder = temporaryFolder();
    const steps = [1, 2, 3].flatMap((stage) => [`--stage-${stage}-steps`, "2"]);
    const run = await runCli(["img2img", "in neon style", "-i", refused, ...reference, ...steps, "-o", "car.png"], {
      cwd: folder,
    });
    expect(run.stderr).toMatch(
      goldenSampleSize("if-ii") === 48
        ? /note: stage 2 draws 80x48, not 72x48: its network takes sides that are multiples of 16/
        : /note: stage 2 draws 48x32, not 40x32: its network takes sides that are multiples of 16/,
    );
    expect(run.code).toBe(0);
    expect(await readImage(join(folder, "car.png"))).toMatchObject({
      width: 4 * drawn.width,
      height: 4 * drawn.height,
    });
    const text = parsePngText(readFileSync(join(folder, "car.png"))).get("parameters") ?? "";
    expect(Object.fromEntries(parseParameters(text).settings)).toMatchObject({
      Steps: "1", // of 2, at strength 0.7
      "CFG scale": "10",
      "Denoising strength": "0.7",
      "Stage 2 denoising strength": "0.8",
      "Stage 2 noise level": "250",
      Size: `${4 * drawn.width}x${4 * drawn.height}`,
    });
  });
});

describe("inpaint", () => {
  test("outside the mask the original stays, pixel by pixel; a mask of another size is fitted, with a note", async () => {
    const folder = temporaryFolder();
    const mask = { data: new Uint8Array(30 * 20 * 3), width: 30, height: 20, channels: 3 as const };
    mask.data.fill(255, 0, 15 * 3); // the first half of the first row
    writeFileSync(join(folder, "mask.png"), await encodePng(mask));
    const run = await runCli(
      [
        "inpaint",
        "two",
        "-i",
        photo,
        "--mask",
        "mask.png",
        "--mask-rect",
        "0,0,37,50",
        ...model,
        "--no-watermark",
      ].concat(["--until", "64", "--stage-1-steps", "2", "--safety", "off", "-o", "out.png"]),
      { cwd: folder },
    );
    expect(run.stderr).toMatch(/note: The mask \(30x20\) was fitted to the image \(75x50\)\./);
    expect(run.code).toBe(0);
    const made = await readImage(join(folder, "out.png"));
    const original = resizePil(await readImage(photo), made.width, made.height);
    const changed = Array.from({ length: made.width * made.height }, (_, at) => at).filter((at) =>
      [0, 1, 2].some((channel) => made.data[3 * at + channel] !== original.data[3 * at + channel]),
    );
    const columns = changed.map((at) => at % made.width);
    expect(Math.max(...columns)).toBeLessThanOrEqual(made.width / 2);
    expect(changed.length).toBeGreaterThan(made.width * made.height * 0.4);
  });
});

describe("a dry run", () => {
  test("shows the plan and its notes, and writes nothing: a mask too small for stage 1", async () => {
    const folder = temporaryFolder();
    const args = [
      "inpaint",
      "two",
      "-i",
      refused,
      "--mask-rect",
      tooSmall,
      ...reference,
      "--until",
      "256",
      "--dry-run",
    ];
    const { code, stdout } = await runCli(args, { cwd: folder });
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/stage-1 +32x24 px, 50 steps, DDPM, guidance 7, strength 1,/);
    expect(stdout.toString()).toMatch(
      new RegExp(
        `stage-2 +${drawn.width}x${drawn.height} px, 80 steps, DDPM, guidance 4, noise level 0, strength 0\\.8,`,
      ),
    );
    expect(stdout.toString()).toMatch(/note: The mask marks less than a pixel of stage 1, which so repaints nothing\./);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("the end by a signal", () => {
  const slow = [
    "txt2img",
    "a cat",
    ...model,
    "--until",
    "64",
    "--stage-1-steps",
    "1000",
    "--safety",
    "off",
    "-o",
    "cat.png",
  ];

  test.skipIf(process.platform === "win32")("Ctrl-C: exit code 130, no file is left and no process", async () => {
    const folder = temporaryFolder();
    const child = await startUntilFirstStage(slow, folder);
    const ended = finish(child);
    process.kill(-(child.pid ?? 0), "SIGINT"); // as a terminal does: to the whole group
    const run = await ended;
    expect(run.code).toBe(130);
    expect(run.stderr).toMatch(/interrupted; nothing was written\. \[INTERRUPTED\]/);
    expect(readdirSync(folder)).toEqual([]);
    expect(() => process.kill(-(child.pid ?? 0), 0)).toThrow(/ESRCH/);
  });

  test.skipIf(process.platform !== "linux")("a killed stage: exit code 7, a sentence, no file is left", async () => {
    const folder = temporaryFolder();
    const child = await startUntilFirstStage(slow, folder);
    const ended = finish(child);
    process.kill(childOf(child.pid ?? 0), "SIGKILL");
    const run = await ended;
    expect(run.code).toBe(7);
    expect(run.stderr).toMatch(/stage-1 was ended by SIGKILL: .*memory.* \[STAGE\]/);
    expect(readdirSync(folder)).toEqual([]);
    expect(existsSync(join(folder, "cat.png"))).toBe(false);
  });
});

function childOf(pid: number): number {
  const found = Number(
    spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)])
      .stdout.toString()
      .trim()
      .split("\n")
      .at(-1),
  );
  if (!(found > 1)) throw new Error(`process ${pid} has no child`);
  return found;
}
