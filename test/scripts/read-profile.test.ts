import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readProfile } from "../../scripts/bench/gpu/read-profile.ts";

const folder = mkdtempSync(join(tmpdir(), "read-profile-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The form of onnxruntime 1.30's trace: the session, its nodes, and, from WebGPU, each kernel. */
const node = (op: string, microseconds: number) => ({
  cat: "Node",
  name: `mid/${op}_1_kernel_time`,
  dur: microseconds,
  args: { op_name: op },
});
const kernel = (name: string, microseconds: number, shapes = "") => ({
  cat: "Api",
  name,
  dur: microseconds,
  args: { shapes },
});

test("times by operator and by kernel, per run, longest first", () => {
  const file = join(folder, "trace.json");
  const run = [
    { cat: "Session", name: "model_run", dur: 9000 },
    node("Conv", 100),
    node("Conv", 300),
    node("MatMul", 1000),
    kernel("&mid/Conv_1&Conv&Conv2dMM", 2000, "{2,64,8,8}"),
    kernel("&up/Conv_7&Conv&Conv2dMM", 1000, "{2,32,8,8}"),
    kernel("&mid/MatMul_1&MatMul&MatMul", 500),
  ];
  writeFileSync(file, JSON.stringify([...run, ...run]));
  const { nodes, kernels, shapes } = readProfile(file, 2);
  expect(nodes).toEqual([
    { operator: "MatMul", calls: 1, milliseconds: 1 },
    { operator: "Conv", calls: 2, milliseconds: 0.4 },
  ]);
  expect(kernels).toEqual([
    { operator: "Conv Conv2dMM", calls: 2, milliseconds: 3 },
    { operator: "MatMul MatMul", calls: 1, milliseconds: 0.5 },
  ]);
  expect(shapes[0]).toEqual({ operator: "Conv Conv2dMM {2,64,8,8}", calls: 1, milliseconds: 2 });
});

test("keeps as many as asked for", () => {
  const file = join(folder, "short.json");
  writeFileSync(file, JSON.stringify([node("Add", 1), node("Mul", 3), node("Conv", 2)]));
  expect(readProfile(file, 1, 2).nodes.map(({ operator }) => operator)).toEqual(["Mul", "Conv"]);
});
