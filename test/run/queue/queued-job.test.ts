import { isAbsolute } from "node:path";
import { describe, expect, test } from "vitest";
import { IfGenError } from "../../../src/errors.ts";
import { requestKey } from "../../../src/run/batch/output-names.ts";
import {
  failureOf,
  failureText,
  jobId,
  parseQueuedJob,
  toBatchJob,
  toQueuedJob,
} from "../../../src/run/queue/queued-job.ts";
import { inputFiles, inputOptions } from "../../../src/run/metadata/input-files.ts";
import { plainRequest } from "../../plan/plain-request.ts";

const batchJob = {
  index: 3,
  line: 2,
  request: { ...plainRequest, start: { image: "car.png", pasteBack: false } },
  key: "k",
  files: ["a/b.png"],
  isDrawn: false,
  isTaken: false,
};
const queued = toQueuedJob(batchJob, { folder: "/out", overwrite: false, isModelName: (name) => name === "demo" });

test("a job comes out as it went in, with paths that hold in every folder", () => {
  const back = toBatchJob(parseQueuedJob(JSON.parse(JSON.stringify(queued)))!);
  expect(back.request).toEqual({ ...batchJob.request, start: { image: `${process.cwd()}/car.png`, pasteBack: false } });
  expect(back).toMatchObject({ index: 3, line: 2, files: ["a/b.png"], key: requestKey(back.request) });
});

test("paths of all that a job starts from hold in every folder", () => {
  const request = {
    ...plainRequest,
    start: {
      image: "car.png",
      mask: { file: "m.png", shapes: [], invert: false },
      stageMasks: { "stage-1": "one.png", "stage-2": "two.png" },
      pasteBack: true,
    },
    lowResolution: "small.png",
    promptEmbeds: "e.safetensors",
    upscalerModel: "u.safetensors",
    loras: [{ file: "package.json", weight: 1 }],
  };
  const whole = toQueuedJob({ ...batchJob, request }, { folder: "/out", overwrite: false, isModelName: () => true });
  const here = (name: string): string => `${process.cwd()}/${name}`;
  expect(whole.request).toMatchObject({
    start: { image: here("car.png"), mask: { file: here("m.png") }, stageMasks: { "stage-1": here("one.png") } },
    lowResolution: here("small.png"),
    promptEmbeds: here("e.safetensors"),
    upscalerModel: here("u.safetensors"),
  });
  const inputs = inputFiles({ ...whole.request, command: "upscale" });
  expect(new Set(inputs.map(({ option }) => option))).toEqual(new Set(inputOptions)); // none is forgotten here
  expect(inputs.filter(({ path }) => !isAbsolute(path))).toEqual([]);
});

test("its number is the same for the same image in the same place, and for nothing else", () => {
  expect(jobId({ ...queued, index: 9, line: 9, overwrite: true })).toBe(jobId(queued));
  const others = [
    { ...queued, folder: "/other" },
    { ...queued, files: ["c.png"] },
    { ...queued, request: { ...queued.request, seed: 2 } },
  ];
  expect(new Set([queued, ...others].map(jobId)).size).toBe(4);
  expect(jobId(queued)).toMatch(/^job-[0-9a-f]{40}$/); // BullMQ takes no colons and no bare numbers
});

describe("what is no job is not taken for one", () => {
  test.each([
    ["another folder's file", { files: ["../a.png"] }],
    ["an absolute file", { files: ["/etc/a.png"] }],
    ["a folder that is none of the whole machine's", { folder: "out" }],
    ["no files", { files: [] }],
    ["a word too many", { run: "rm" }],
    ["no request", { request: {} }],
  ])("%s", (_, change) => expect(parseQueuedJob({ ...queued, ...change })).toBeUndefined());
});

test("a failure keeps its code and its words; the queue's own reasons get some", () => {
  const error = new IfGenError("OUTPUT", "the disk [of a\nmachine] is full.");
  expect(failureOf(failureText(error))).toMatchObject({ code: "OUTPUT", message: error.message });
  expect(failureOf("job stalled more than allowable limit")).toMatchObject({ code: "STAGE" });
  expect(failureOf("x [NO_CODE]")).toMatchObject({ code: "STAGE", message: "x [NO_CODE]" });
});
