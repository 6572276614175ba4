import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Handle, createHandle } from "../../src/run/handle.ts";

/** Work that says 1, 2 and 3, a little apart, and then ends as `end` does. */
const counting = <T>(end: () => T): Handle<T, number> =>
  createHandle(async (onEvent) => {
    for (const number of [1, 2, 3]) {
      onEvent(number);
      await wait(5);
    }
    return end();
  });

async function eventsOf(run: AsyncIterable<number>): Promise<number[]> {
  const seen: number[] = [];
  for await (const event of run) seen.push(event);
  return seen;
}

describe("a run", () => {
  test("can be awaited for its result, more than once", async () => {
    const run = counting(() => "done");
    expect([await run, await run]).toEqual(["done", "done"]);
    expect(await run.then((text) => text.length)).toBe(4);
  });

  test("can be iterated for its events, by several, and awaited as well", async () => {
    const run = counting(() => "done");
    const [one, other, result] = await Promise.all([eventsOf(run), eventsOf(run), run]);
    expect([one, other, result]).toEqual([[1, 2, 3], [1, 2, 3], "done"]);
  });

  test("keeps events for an iterator that is slow, and none for one that has left", async () => {
    const run = counting(() => "done");
    const slow: number[] = [];
    const reading = (async () => {
      for await (const event of run) {
        await wait(20);
        slow.push(event);
      }
    })();
    for await (const event of run) if (event === 1) break;
    await reading;
    expect(slow).toEqual([1, 2, 3]);
    expect(await run).toBe("done");
  });

  test("that fails throws the same to who awaits and to who iterates, after its events", async () => {
    const failure = new Error("no");
    const run = counting((): string => {
      throw failure;
    });
    const seen: number[] = [];
    const iterating = (async () => {
      for await (const event of run) seen.push(event);
    })();
    await expect(iterating).rejects.toBe(failure);
    expect(seen).toEqual([1, 2, 3]);
    await expect(Promise.resolve(run)).rejects.toBe(failure);
  });

  test("that nobody looks at and that fails is no unhandled rejection", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    void createHandle(() => Promise.reject(new Error("no")));
    await wait(20);
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });

  test("that has ended has no events any more: iterating it ends at once", { timeout: 5000 }, async () => {
    const run = counting(() => "done");
    await run;
    expect(await eventsOf(run)).toEqual([]);
  });
});
