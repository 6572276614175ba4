import { describe, expect, test } from "vitest";
import { type JobSource, type ReadJob, readJobs } from "../../../src/run/batch/read-jobs.ts";

async function* bytesOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

async function read(name: string, ...chunks: (string | Uint8Array)[]): Promise<ReadJob[]> {
  const jobs: ReadJob[] = [];
  for await (const job of readJobs({ name, bytes: bytesOf(...chunks) })) jobs.push(job);
  return jobs;
}
const problem = (job: ReadJob | undefined): string => (job && "error" in job ? job.error.message : "");

describe("plain prompts", () => {
  test("one a line; empty lines are none; line numbers are the file's", async () => {
    expect(await read("a.txt", "a red circle\n\n  a blue star  \r\n{red|blue} ring")).toEqual([
      { line: 1, options: { prompt: "a red circle" } },
      { line: 3, options: { prompt: "a blue star" } },
      { line: 4, options: { prompt: "{red|blue} ring" } },
    ]);
  });

  test("a byte order mark is no letter, and letters may be cut by chunks", async () => {
    const bytes = Buffer.from("\ufeffein grüner Kreis\n");
    const cut = bytes.indexOf(0xc3) + 1;
    expect(await read("standard input", bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([
      { line: 1, options: { prompt: "ein grüner Kreis" } },
    ]);
  });

  test("what is not UTF-8, and what has no lines, is said", async () => {
    await expect(read("a.txt", Buffer.from("a cat", "utf16le"), Buffer.from([0xff, 0xfe]))).rejects.toThrow(
      /a\.txt, after line 0: this is not UTF-8; save the file as UTF-8\./,
    );
    await expect(read("a.txt", "x".repeat(600_000), "x".repeat(600_000))).rejects.toThrow(
      /line 1 has more than 1000000/,
    );
  });
});

describe("JSON, one object a line", () => {
  test("options by their long names, as the command line or the library writes them", async () => {
    expect(
      await read("a.jsonl", '{"prompt":"a cat","stage-1-steps":4,"negativePrompt":"b","--num-images":2}\r\n'),
    ).toEqual([{ line: 1, options: { prompt: "a cat", stage1Steps: 4, negativePrompt: "b", numImages: 2 } }]);
  });

  test("a bad line is its own error, and the others are read", async () => {
    const [first, broken, list, twice, last] = await read(
      "a.jsonl",
      '{"prompt":"a"}\nnot json\n["a"]\n{"seed":1,"--seed":2}\n{"prompt":"b"}',
    );
    expect([first, last]).toEqual([
      { line: 1, options: { prompt: "a" } },
      { line: 5, options: { prompt: "b" } },
    ]);
    expect([broken, list, twice].map(problem)).toEqual([
      expect.stringMatching(/^this is no JSON object: /),
      'a job is a JSON object, such as {"prompt": "a red circle"}.',
      "--seed is given twice.",
    ]);
  });

  test("told from prompts by its first line where no name tells", async () => {
    expect(await read("standard input", '{"prompt":"a"}\n')).toEqual([{ line: 1, options: { prompt: "a" } }]);
    expect(await read("standard input", "{red|blue}\n")).toEqual([{ line: 1, options: { prompt: "{red|blue}" } }]);
  });

  test("one list over many lines is no file of jobs", async () => {
    await expect(read("a.json", '[\n {"prompt":"a"}\n]')).rejects.toThrow(
      /a\.json is one JSON list; write its objects one a line/,
    );
  });
});

describe("CSV", () => {
  test("cells are what their options take; empty ones are not given", async () => {
    const text =
      'prompt,seed,stage-1-steps,watermark,mask-rect\r\n"a cat, red",7,,false,"[{""x"":1,""y"":2,""width"":3,""height"":4}]"\n12,,5,,\n';
    expect(await read("a.csv", text)).toEqual([
      {
        line: 2,
        options: { prompt: "a cat, red", seed: 7, watermark: false, maskRect: [{ x: 1, y: 2, width: 3, height: 4 }] },
      },
      { line: 3, options: { prompt: "12", stage1Steps: 5 } },
    ]);
  });

  test("a column that no option is called ends it at once, with the nearest name", async () => {
    await expect(read("a.csv", "prompt,sead\na,1\n")).rejects.toThrow(/there is no option sead; did you mean seed\?/);
    await expect(read("a.csv", "prompt,prompt\na,b\n")).rejects.toThrow(/two columns are called prompt/);
  });

  test("a row of another length is its own error", async () => {
    const [bad, good] = await read("a.csv", "prompt,seed\na cat, red, 7\na dog,2\n");
    expect(problem(bad)).toMatch(/it has 3 cells and the first line 2; put texts with commas in quotes/);
    expect(good).toMatchObject({ options: { prompt: "a dog", seed: 2 } });
  });
});

test("a long file is not read further than its jobs are asked for", async () => {
  let given = 0;
  const endless: JobSource = {
    name: "a.txt",
    bytes: (async function* () {
      for (;;) {
        given++;
        yield Buffer.from("a red circle\n".repeat(1000));
      }
    })(),
  };
  let jobs = 0;
  for await (const _ of readJobs(endless)) if (++jobs === 5000) break;
  expect(given).toBeLessThanOrEqual(6);
});
