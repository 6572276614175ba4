/**
 * @module cli/batch
 * `if-gen batch JOBS --output-dir DIR`.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { ProgramCommand } from "./command.ts";
import { CPU } from "../onnx/lower/provider-names.ts";
import type { WorkerDevice } from "../run/batch/batch-jobs.ts";
import { DEFAULT_TEMPLATE } from "../run/batch/output-names.ts";
import { type KeepAliveOption, addKeepAliveOption } from "./keep-alive-option.ts";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { type BatchQueueOptions, addBatchQueueOptions } from "./queue-options.ts";
import { type UploadOption, addUploadOption } from "./upload-option.ts";
import { integer, once } from "./values.ts";
import { withoutOptions } from "./without-options.ts";

export interface BatchCommandOptions extends CommonOptions, BatchQueueOptions, KeepAliveOption, UploadOption {
  outputDir?: string;
  outputName: string;
  seeds?: string;
  sharedGenerator?: number;
  jobsFormat?: "jsonl" | "csv" | "text";
  chunk: number;
  failFast?: boolean;
  devices?: WorkerDevice[];
  shard?: { number: number; count: number };
  merge?: boolean;
}

/** Options of a single run that many jobs have no use for, or have in another form. */
const singleRunOptions: readonly string[] = [
  "prompt",
  "output",
  "seed",
  "saveStages",
  "saveEmbeds",
  "report",
  "runDir",
  "grid",
  "outputFolder",
  "preview",
  "previewEvery",
  "saveSteps",
  "saveLatents",
];

export function defineBatch(command: ProgramCommand): void {
  command.argument(
    "[jobs]",
    "a file of jobs: JSON, one object a line; CSV; or prompts, one a line; - is standard input",
  );
  addBatchOptions(command);
  addBatchQueueOptions(addKeepAliveOption(command, "chunks"));
  addUploadOption(command, "where images go, while the manifest goes to --output-dir");
  addCommonOptions(command, { startsFromImage: true });
  withoutOptions(command, (name) => singleRunOptions.includes(name));
  withDescriptions(command);
  command
    .option("-i, --image <file>", "the image that jobs start from which name none", once)
    .option("--style <text>", "redraw their images in this style, as the command style does", once);
  command.addExamples(
    "if-gen batch prompts.txt --output-dir out",
    "if-gen batch jobs.jsonl --output-dir out --resume",
    "if-gen batch prompts.txt --output-dir out --seeds 1..4 --until 256",
  );
  command.addHelpText("after", aboutJobs);
  command.action(async (jobs: string | undefined, options: BatchCommandOptions) => {
    const { runBatchCommand } = await import("./batch-run.ts");
    await runBatchCommand(jobs, options);
  });
  command.addFullHelp();
}

const aboutJobs = `
A job is a line: a prompt, or {"prompt": "a red circle", "stage-1-steps": 50}
with any option of txt2img, img2img, inpaint, style and, with "command":
"upscale", of upscale. What is given here holds for jobs that do not set it
themselves. {red|blue} in a prompt makes two jobs.`;

function addBatchOptions(command: Command): void {
  command
    .option("-d, --output-dir <folder>", "where images and manifest.jsonl go", once)
    .option(
      "--output-name <template>",
      "name of each image: {index}, {seed}, {prompt:40}, {hash}, {date}, {line}, {model}, {command}; / makes folders",
      DEFAULT_TEMPLATE,
    )
    .option(
      "--seeds <list>",
      "a job for each seed, where a line names none: 1..16 or 1,5,10-14 (default: random, reported)",
      once,
    )
    .option(
      "--shared-generator <count>",
      "draw up to so many jobs that differ in their prompts alone in one batch, from one generator, as diffusers draws a list",
      integer(2, 64),
    )
    .addOption(
      new Option("--jobs-format <format>", "of the file of jobs (default: by its name or first line)").choices([
        "jsonl",
        "csv",
        "text",
      ]),
    )
    .option(
      "--chunk <count>",
      "jobs that go through the stages together; bounds disk and memory",
      integer(1, 10_000),
      64,
    )
    .option("--fail-fast", "end at the first job that fails")
    .option("--devices <list>", "a worker for each: GPU numbers, or cpu: 0,1 or cpu,cpu", devices)
    .option("--shard <i/n>", "only the i-th of n parts of the jobs (default: what Slurm, Kubernetes or MPI say)", shard)
    .option("--merge", "join the manifests of all shards in --output-dir, and say what is missing");
}

/** What some options of a single run mean for many. */
const descriptions: Readonly<Record<string, string>> = {
  resume: "go on with the batch in --output-dir: what is drawn stays, what failed is tried again",
  dryRun: "check every line, plan what is drawn, and end",
};

function withDescriptions(command: Command): void {
  for (const option of command.options) {
    const description = descriptions[option.attributeName()];
    if (description !== undefined) option.description = description;
  }
}

function devices(text: string): WorkerDevice[] {
  const names = text.split(",").map((part) => part.trim());
  if (names.length <= 64 && names.every((name) => name === CPU || /^\d{1,3}$/.test(name))) {
    return names.map((name) => (name === CPU ? name : Number(name)));
  }
  throw new InvalidArgumentError("It must be numbers of GPUs, or cpu, with commas between: 0,1.");
}

function shard(text: string): { number: number; count: number } {
  const [, number, count] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (number && count && number <= count) return { number, count };
  throw new InvalidArgumentError("It must be i/n, from 1/n to n/n: 3/8.");
}
