import { expect, test } from "vitest";
import { type BatchOptions, checkedJobs } from "../../../src/run/batch/batch-jobs.ts";
import type { GivenOptions } from "../../../src/run/batch/read-jobs.ts";

const batch = {
  defaults: { until: 64 },
  provider: "cpu",
  template: "{index}",
  shard: { number: 1, count: 1 },
  chunkSize: 9,
};

async function check(...lines: readonly GivenOptions[]): Promise<unknown[]> {
  const read = async function* () {
    for (const [index, options] of lines.entries()) yield { line: index + 1, options };
  };
  const checked: unknown[] = [];
  for await (const job of checkedJobs(read(), batch as BatchOptions)) {
    checked.push("error" in job ? job.error.message : job.request.command);
  }
  return checked;
}

test("what a job starts from tells its command, unless it names one", async () => {
  const image = "car.png";
  expect(
    await check(
      { prompt: "a" },
      { prompt: "a", image },
      { prompt: "a", image, mask: image },
      { image, style: "neon" },
      { image, command: "upscale" },
    ),
  ).toEqual(["txt2img", "img2img", "inpaint", "style", "upscale"]);
});

test("a command that there is not, or that does not take the options", async () => {
  expect(await check({ prompt: "a", command: "draw" }, { prompt: "a", command: "upscale" })).toEqual([
    'command is "draw"; it must be one of txt2img, img2img, inpaint, style, upscale.',
    "no image is given; name the one to enlarge: if-gen upscale small.png.",
  ]);
});
