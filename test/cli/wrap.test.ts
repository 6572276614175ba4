/** Lines of tables and messages in a narrow terminal. */

import stringWidth from "string-width";
import { expect, test } from "vitest";
import { wrapLines } from "../../src/cli/wrap.ts";

const check = "ok       onnxruntime  works on the CPU; knows cpu, webgpu, cuda (libraries not included)";

test.each([
  ["below the last column", 60, check, ["works on the CPU; knows cpu, webgpu,", "cuda (libraries not included)"], 22],
  ["below the second one, where the last has no room", 36, check, ["onnxruntime  works on the", "CPU; knows"], 9],
  ["indented a little, where neither has", 20, check, ["ok       onnxruntime", "works on the"], 4],
])("%s", (_, columns, line, [first = "", next = ""], indent) => {
  const lines = wrapLines(line, columns, 4).split("\n");
  expect(lines[0]!.endsWith(first)).toBe(true);
  expect(lines[1]!.startsWith(" ".repeat(indent) + next)).toBe(true);
  expect(Math.max(...lines.map((one) => stringWidth(one)))).toBeLessThanOrEqual(columns);
  expect(lines.join(" ").replaceAll(/\s+/g, " ")).toBe(line.replaceAll(/\s+/g, " "));
});

test("short lines, empty ones and words that are too long stay whole", () => {
  const path = `/${"a".repeat(60)}`;
  expect(wrapLines(`model    demo\n\nprompt   ${path}\n`, 40)).toBe(`model    demo\n\nprompt   ${path}\n`);
});

test("what to do next, below a check, goes on below itself", () => {
  const next = `${" ".repeat(20)}-> install it: apt-get install libvulkan1`;
  expect(wrapLines(next, 50)).toBe(`${" ".repeat(20)}-> install it: apt-get install\n${" ".repeat(20)}libvulkan1`);
});

test("a sentence goes on at the left", () => {
  expect(wrapLines("if-gen: out.png exists; give another name. [OUTPUT]\n", 45)).toBe(
    "if-gen: out.png exists; give another name.\n[OUTPUT]\n",
  );
});

test("a wide sign takes two columns", () => {
  expect(wrapLines("prompt 红色 圆圈", 12, 4, stringWidth)).toBe("prompt 红色\n    圆圈");
});
