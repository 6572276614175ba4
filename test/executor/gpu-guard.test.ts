import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { guardGpu } from "../../src/executor/gpu-guard.ts";

const MiB = 2 ** 20;
/** A program that prints these lines and then stays, as nvidia-smi does. */
const saying = (...lines: string[]): [string, ...string[]] => [
  "sh",
  "-c",
  `for line in ${lines.join(" ")}; do echo "$line"; done; exec sleep 60`,
];

async function until(found: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !found(); i++) await wait(25);
}

test("the most that was taken beyond what was in use at first; said once when it is too much", async () => {
  const exceeded: number[] = [];
  const guard = guardGpu({
    command: saying("500", "900", "2600", "3100", "[N/A]", "700"),
    budgetBytes: 2000 * MiB,
    onExceeded: (bytes) => exceeded.push(bytes),
  });
  await until(() => exceeded.length > 0);
  await wait(50);
  expect(guard.stop()).toBe(2600 * MiB);
  expect(exceeded).toEqual([2600 * MiB]); // seen twice: the first look may have come before the process's own figure
});

test("a process's own memory counts, not what others take meanwhile", async () => {
  const exceeded: number[] = [];
  const guard = guardGpu({
    pid: 4711,
    command: saying("500", "900"),
    processCommand: saying("'4711, 300'", "'4712, 90000'", "'4711, 800'", "'4711, [N/A]'", "'4711, 600'"),
    budgetBytes: 1000 * MiB,
    onExceeded: (bytes) => exceeded.push(bytes),
  });
  await wait(500);
  expect(guard.stop()).toBe(800 * MiB);
  expect(exceeded).toEqual([]);
});

test("a process that takes too much itself is told at once", async () => {
  const exceeded: number[] = [];
  const guard = guardGpu({
    pid: 4711,
    command: ["sleep", "60"],
    processCommand: saying("'4711, 300'", "'4711, 1800'", "'4711, 1900'"),
    budgetBytes: 1000 * MiB,
    onExceeded: (bytes) => exceeded.push(bytes),
  });
  await until(() => exceeded.length > 0);
  await wait(50);
  expect(guard.stop()).toBe(1900 * MiB);
  expect(exceeded).toEqual([1800 * MiB]);
});

test("where processes have other numbers, what is in use beyond the beginning counts", async () => {
  const guard = guardGpu({ pid: 4711, command: saying("500", "900"), processCommand: saying("'99, 300'") });
  await wait(500);
  expect(guard.stop()).toBe(400 * MiB);
});

test("within the budget nothing is said", async () => {
  const exceeded: number[] = [];
  const guard = guardGpu({ command: saying("10", "20"), budgetBytes: 10 * MiB, onExceeded: (b) => exceeded.push(b) });
  await wait(500);
  expect(guard.stop()).toBe(10 * MiB);
  expect(exceeded).toEqual([]);
});

test("without the tool nothing is measured", async () => {
  const guard = guardGpu({ command: ["if-gen-no-such-program"] });
  await wait(100);
  expect(guard.stop()).toBeUndefined();
});

describe("a process that stays", () => {
  /** Prints some lines, and more when there is a file. */
  const sayingLater = (mark: string, first: string, later: string): [string, ...string[]] => [
    "sh",
    "-c",
    `echo "${first}"; while [ ! -e "${mark}" ]; do sleep 0.02; done; for i in 1 2 3; do echo "${later}"; sleep 0.02; done; exec sleep 60`,
  ];
  const markFile = (): string => {
    const folder = mkdtempSync(join(tmpdir(), "if-gen-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return join(folder, "mark");
  };

  test("has what it has when it waits, not what it had most of, nor what others take", async () => {
    const mark = markFile();
    const guard = guardGpu({
      pid: 4711,
      command: sayingLater(mark, "5000", "90000"),
      processCommand: sayingLater(mark, "4711, 800", "4711, 600"),
    });
    await until(() => guard.peakBytes() === 800 * MiB);
    const held = guard.settle();
    writeFileSync(mark, "");
    expect(await held).toEqual({ bytes: 600 * MiB, isOwn: true });
    expect(guard.peakBytes()).toBe(800 * MiB);
  });

  test("in a container: what is in use beyond what others had before it", async () => {
    const mark = markFile();
    const exceeded: number[] = [];
    const guard = guardGpu({
      pid: 4711,
      heldBytes: 300 * MiB, // of the 500 that are in use
      command: sayingLater(mark, "500", "1100"),
      processCommand: sayingLater(mark, "99, 70", "99, 70"),
      budgetBytes: 600 * MiB,
      onExceeded: (bytes) => exceeded.push(bytes),
    });
    await until(() => guard.peakBytes() === 300 * MiB);
    writeFileSync(mark, "");
    await until(() => exceeded.length > 0);
    expect(exceeded).toEqual([900 * MiB]);
    expect(guard.stop()).toBe(900 * MiB);
  });

  test("of which nothing is seen any more has no figure", async () => {
    const options = { command: ["if-gen-no-such-program"], processCommand: saying("'4711, 300'") } as const;
    const guard = guardGpu({ pid: 4711, ...options, lastLookMs: 50 });
    await until(() => guard.peakBytes() === 300 * MiB);
    expect(await guard.settle()).toBeUndefined();
  });
});
