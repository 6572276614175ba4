/**
 * @module cli/batch
 * `if-gen batch JOBS --output-dir DIR`.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { type CommonOptions, addCommonOptions } from "./options.ts";
import { integer, once } from "./values.ts";

export interface BatchCommandOptions extends CommonOptions {
  outputDir?: string;
  outputName: string;
  seeds?: string;
  jobsFormat?: "jsonl" | "csv" | "text";
  chunk: number;
  failFast?: boolean;
  devices?: (number | "cpu")[];
  shard?: { number: number; count: number };
  merge?: boolean;
}

/** Options of a single run that many jobs have no use for, or have in another form. */
const singleRunOptions: readonly string[] = ["prompt", "output", "saveStages", "report", "runDir"];

export function addBatch(program: Command): void {
  const command = program
    .command("batch")
    .description("draw many images, each network loaded once for all of them")
    .argument("[jobs]", "a file of jobs: JSON, one object a line; CSV; or prompts, one a line; - is standard input");
  addBatchOptions(command);
  addCommonOptions(command, { startsFromImage: true });
  withoutOptions(command, singleRunOptions);
  command.option("-i, --image <file>", "the image that jobs start from which name none", once);
  command.addHelpText("after", examples);
  command.action(async (jobs: string | undefined, options: BatchCommandOptions) => {
    const { runBatchCommand } = await import("./batch-run.ts");
    await runBatchCommand(jobs, options);
  });
}

const examples = `
Examples:
  if-gen batch prompts.txt --output-dir out
  if-gen batch jobs.jsonl --output-dir out --resume
  echo "a {red|blue} circle" | if-gen batch - --output-dir out --seeds 1..4
A job is one line: a prompt, or {"prompt": "a red circle", "seed": 7, "stage-1-steps": 50}. It may set any option
of txt2img, img2img and inpaint; options given here hold for jobs that do not set them. docs/batch.md has more.`;

function addBatchOptions(command: Command): void {
  command
    .option("-d, --output-dir <folder>", "where images and manifest.jsonl go", once)
    .option(
      "--output-name <template>",
      "name of each image: {index} {seed} {prompt:40} {hash} {date} {line} {model} {command}, / makes folders",
      "{index}-{prompt:40}",
    )
    .option("--seeds <list>", "a job for each seed, where the job has none: 1..16 or 1,5,10..14", once)
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
    .option("--shard <i/n>", "only the i-th of n parts of the jobs (default: as Slurm, Kubernetes or MPI say)", shard)
    .option("--merge", "join the manifests of all shards in --output-dir, and say what is missing");
}

function withoutOptions(command: Command, names: readonly string[]): void {
  const options = command.options as Option[];
  for (const name of names) {
    const index = options.findIndex((option) => option.attributeName() === name);
    if (index >= 0) options.splice(index, 1);
  }
}

function devices(text: string): (number | "cpu")[] {
  const names = text.split(",").map((part) => part.trim());
  if (names.length <= 64 && names.every((name) => name === "cpu" || /^\d{1,3}$/.test(name))) {
    return names.map((name) => (name === "cpu" ? name : Number(name)));
  }
  throw new InvalidArgumentError("It must be numbers of GPUs, or cpu, with commas between: 0,1.");
}

function shard(text: string): { number: number; count: number } {
  const [, number, count] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (number && count && number <= count) return { number, count };
  throw new InvalidArgumentError("It must be i/n, from 1/n to n/n: 3/8.");
}
