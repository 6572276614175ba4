import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodePng } from "../../../src/image/write-png.ts";
import { lookForResult } from "../../../src/run/queue/earlier-result.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";
import { plainRequest } from "../../plan/plain-request.ts";

const pixel = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 } as const;
const job = {
  index: 1,
  line: 1,
  request: plainRequest,
  key: "",
  files: ["a-1.png", "a-2.png"],
  isDrawn: false,
  isTaken: false,
};

test("a job's own images are known by what they say, wherever they were drawn; others are not", async () => {
  const folder = temporaryFolder();
  const write = async (name: string, request: object): Promise<void> => {
    const text = JSON.stringify({ version: "1", request, lowMemory: {}, inputs: [] });
    writeFileSync(join(folder, name), await encodePng(pixel, new Map([["if-gen", text]])));
  };
  expect(await lookForResult(job, folder)).toBe("none");
  await write("a-2.png", { ...plainRequest, executionProvider: "cpu", threads: 3 });
  expect(await lookForResult(job, folder)).toBe("part");
  await write("a-1.png", Object.fromEntries(Object.entries(plainRequest).toReversed()));
  expect(await lookForResult(job, folder)).toBe("complete");
  await write("a-1.png", { ...plainRequest, seed: 2 });
  expect(await lookForResult(job, folder)).toBe("foreign");
  writeFileSync(join(folder, "a-1.png"), "no image");
  expect(await lookForResult(job, folder)).toBe("foreign");
});
