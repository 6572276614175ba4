/** NVIDIA's tool, asked while other work is done: here it is a script. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askNvidiaGpus, readNvidiaGpus } from "../../src/executor/probe.ts";
import { withNvidiaSmi } from "./fake-nvidia-smi.ts";

test("it is asked at once and once, whoever wants to know", async () => {
  const folder = withNvidiaSmi(`echo asked >> log; echo "NVIDIA Test, 24000, 23000, 580.1, GPU-1"`);
  const readAll = askNvidiaGpus(new AbortController().signal);
  await expect.poll(() => existsSync(join(folder, "log"))).toBe(true);
  const gpu = { name: "NVIDIA Test", uuid: "GPU-1", memoryBytes: 24_000 * 2 ** 20, freeBytes: 23_000 * 2 ** 20 };
  expect(await readAll()).toEqual([{ ...gpu, driver: "580.1" }]);
  expect(await readNvidiaGpus(readAll)).toMatchObject([gpu]);
  expect(readFileSync(join(folder, "log"), "utf8")).toBe("asked\n");
});

test.each([
  ["hangs", ""],
  ["hangs and does not listen", "trap '' TERM; "],
])("one that %s is ended when nobody wants to know any more", async (_, deafness) => {
  const folder = withNvidiaSmi(`${deafness}echo $$ > pid; exec sleep 1000`);
  const planned = new AbortController();
  const readAll = askNvidiaGpus(planned.signal);
  await expect.poll(() => existsSync(join(folder, "pid")) && readFileSync(join(folder, "pid"), "utf8")).toMatch(/\d\n/);
  planned.abort();
  expect(await readAll()).toBeUndefined();
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
});
