import { expect, test } from "vitest";
import { countCores } from "../../src/machine/cores.ts";

const cpuInfo = (cores: readonly (readonly [socket: number, core: number])[]): string =>
  cores
    .map(
      ([socket, core], index) =>
        `processor\t: ${index}\nphysical id\t: ${socket}\nsiblings\t: 4\ncore id\t\t: ${core}\nflags\t\t: fpu\n`,
    )
    .join("\n");

const hyperthreaded = cpuInfo([
  [0, 0],
  [0, 1],
  [0, 0],
  [0, 1],
]);

const twoSockets = cpuInfo([
  [0, 0],
  [1, 0],
]);

test.each([
  ["two hardware threads a core", hyperthreaded, 4, 2],
  ["cores of two sockets with the same numbers", twoSockets, 2, 2],
  ["a process that may use one of them", hyperthreaded, 1, 1],
  ["a CPU whose file does not tell", "processor\t: 0\nBogoMIPS\t: 48.00\n", 8, 8],
  ["no file", "", 4, 4],
])("%s", (_, text, threads, cores) => {
  expect(countCores(text, threads)).toBe(cores);
});
