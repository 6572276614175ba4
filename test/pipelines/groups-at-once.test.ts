import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { oneAtATime } from "../../src/networks/one-at-a-time.ts";
import { drawGroups } from "../../src/pipelines/groups-at-once.ts";

/** A network whose calls say when they begin and end. */
function watchedNetwork(log: string[]): (name: string) => Promise<string> {
  return oneAtATime(async (name: string) => {
    log.push(`+${name}`);
    await sleep(2);
    log.push(`-${name}`);
    return name;
  });
}

describe("drawGroups", () => {
  test("with two groups at once, what comes between one group's calls is done during the other's", async () => {
    const log: string[] = [];
    const network = watchedNetwork(log);
    const results = await drawGroups(["a", "b", "c"], 2, async (group) => {
      for (const step of [1, 2]) {
        await network(`${group}${step}`);
        log.push(`${group} guided`);
      }
      return group.toUpperCase();
    });
    expect(results).toEqual(["A", "B", "C"]);
    expect(log.filter((entry) => /^[+-]/.test(entry)).map((entry) => entry[0])).toEqual(
      Array(6).fill(["+", "-"]).flat(),
    );
    const at = (entry: string): number => log.indexOf(entry);
    expect(at("+b1")).toBeLessThan(at("+a2")); // b does not wait for the end of a
    expect(at("a guided")).toBeLessThan(at("-b1"));
    expect(at("+c1")).toBeGreaterThan(at("-a2")); // the one that ended makes room for the third
  });

  test("with one at once, one group after the other", async () => {
    const log: string[] = [];
    await drawGroups([1, 2, 3], 1, async (group) => {
      log.push(`+${group}`);
      await sleep(1);
      log.push(`-${group}`);
    });
    expect(log).toEqual(["+1", "-1", "+2", "-2", "+3", "-3"]);
  });

  test("after a failure the other group ends, none is begun, and the failure is thrown", async () => {
    const ended: string[] = [];
    const drawing = drawGroups(["good", "bad", "never"], 2, async (group) => {
      if (group === "bad") throw new Error("no memory");
      await sleep(5);
      ended.push(group);
    });
    await expect(drawing).rejects.toThrow("no memory");
    expect(ended).toEqual(["good"]);
  });
});

describe("oneAtATime", () => {
  test("a call that fails does not stop those behind it", async () => {
    const call = oneAtATime(async (value: number) => {
      if (value === 1) throw new Error("one");
      return Promise.resolve(value);
    });
    const [first, second] = [call(1), call(2)];
    await expect(first).rejects.toThrow("one");
    await expect(second).resolves.toBe(2);
  });
});
