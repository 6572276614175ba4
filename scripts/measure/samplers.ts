/**
 * Draws the same prompts with each scheduler and number of steps at 64 px, to be judged.
 *
 *   npm run build && npx tsc -p scripts
 *   node build/scripts/measure/samplers.js PROMPTS.json FOLDER [--steps 10,20] [--schedulers ddpm,ddim,...] [--guidance 3]
 *
 * PROMPTS.json is `{ "prompts": [...] }`. FOLDER gets a folder per scheduler and number of steps, `unipc-10`, with 000.png,
 * ... and `calls.json`: how often the network ran per image, and the milliseconds of a call.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type SchedulerName, schedulerNames } from "../../src/schedulers/names.ts";

/** The package itself, as built: only there stages have a worker to run in. */
const { txt2img } = (await import("if-gen" as string)) as typeof import("../../src/index.ts");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "10,20" },
    schedulers: { type: "string", default: schedulerNames.join(",") },
    guidance: { type: "string", default: "3" },
  },
});
const [promptFile = "", folder = ""] = positionals;
const { prompts } = JSON.parse(readFileSync(promptFile, "utf8")) as { prompts: string[] };

for (const scheduler of values.schedulers.split(",") as SchedulerName[]) {
  for (const steps of values.steps.split(",").map(Number)) {
    const jobs = prompts.map((prompt, index) => ({
      prompt,
      seed: index + 1,
      until: 64 as const,
      stage1Scheduler: scheduler,
      stage1Steps: steps,
      stage1Guidance: Number(values.guidance),
      executionProvider: "cpu" as const,
    }));
    const drawings = await txt2img(jobs);
    const target = join(folder, `${scheduler}-${steps}`);
    mkdirSync(target, { recursive: true });
    for (const [index, { images }] of drawings.entries()) {
      writeFileSync(join(target, `${String(index).padStart(3, "0")}.png`), images[0]!.png);
    }
    const [{ plan, timings }] = drawings as [(typeof drawings)[number]];
    const stage = plan.stages.find(({ name }) => name === "stage-1");
    const calls = stage?.kind === "diffusion" ? stage.steps : 0;
    const milliseconds = Math.round((1000 * (timings["stage-1"] ?? 0)) / (calls * prompts.length));
    writeFileSync(join(target, "calls.json"), JSON.stringify({ calls, milliseconds }));
    process.stdout.write(`${scheduler} ${steps}: ${calls} calls, ${milliseconds} ms each\n`);
  }
}
