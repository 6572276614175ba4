import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
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
  expect(exceeded).toEqual([2100 * MiB]);
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
