import { expect, test } from "vitest";
import { checkedOutput, compileTemplate, workKey } from "../../../src/run/batch/output-names.ts";
import { plainRequest } from "../../plan/plain-request.ts";

const job = (prompt: string) => ({
  index: 7,
  line: 3,
  date: "2026-01-02",
  request: { ...plainRequest, prompt, seed: 5 },
});
const nameOf = (template: string, prompt = "a red circle"): string => compileTemplate(template)(job(prompt));

test("fields, their lengths, and folders", () => {
  expect(nameOf("{index}-{prompt:40}")).toBe("000007-a-red-circle.png");
  expect(nameOf("{date}/{line}_{seed}.png")).toBe("2026-01-02/000003_5.png");
  expect(nameOf("{prompt:5}")).toBe("a-red.png");
  expect(nameOf("{seed}.webp")).toBe("5.webp");
  expect(compileTemplate("{seed}.webp", "jpeg")(job("a"))).toBe("5.jpg");
  expect(nameOf("{hash}")).toMatch(/^[0-9a-f]{12}\.png$/);
  expect(nameOf("{hash}", "a")).not.toBe(nameOf("{hash}", "b"));
});

test("every prompt becomes a name that every file system takes", () => {
  const names = [
    "../../etc/passwd",
    "con",
    'a/b\\c:d*e?f"g<h>i|j',
    "…",
    "\u0000\u001b[31m",
    "  x.. ",
    "ä".repeat(300),
    "👩‍👩‍👧".repeat(90),
  ];
  for (const prompt of names) {
    const name = nameOf("{prompt}", prompt);
    expect(name, prompt).toMatch(/^[^/\\:*?"<>|\p{Cc}]+\.png$/u);
    expect(Buffer.byteLength(name), prompt).toBeLessThanOrEqual(204);
    expect(name, prompt).not.toMatch(/^(con|\.)/);
  }
  expect(nameOf("{prompt}", "con")).toBe("_con.png");
});

test("a field that does not exist, and a path that leaves the folder, are refused", () => {
  expect(() => nameOf("{indx}")).toThrow(/\{indx\} is no field; did you mean \{index\}\?/);
  expect(() => nameOf("{")).toThrow(/is no field/);
  for (const template of ["../{index}", "a//b", "/{index}", ""])
    expect(() => nameOf(template)).toThrow(/--output-name/);
});

test("a job's own name stays below the folder", () => {
  expect(checkedOutput("cats/1.PNG")).toBe("cats/1.PNG");
  for (const bad of ["../x.png", "/x.png", "a/../../x.png", "x.bmp", 3, "a\nb.png"]) {
    expect(() => checkedOutput(bad), String(bad)).toThrow(/^output: /);
  }
});

test("finished stages are anybody's who draws the same, on whichever GPU", () => {
  const key = workKey({ ...plainRequest, deviceId: 0 });
  expect(workKey({ ...plainRequest, deviceId: 1 })).toBe(key);
  expect(workKey(plainRequest)).toBe(key);
  expect(workKey({ ...plainRequest, seed: 2 })).not.toBe(key);
});
