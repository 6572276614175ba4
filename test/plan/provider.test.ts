import { expect, test } from "vitest";
import type { ProviderChoice } from "../../src/plan/plan.ts";
import { describeProvider, gpuStagesOf } from "../../src/plan/provider.ts";
import { planOf } from "./plan-of.ts";

const auto = (name: ProviderChoice["name"], ...problems: string[]): ProviderChoice => ({
  requested: "auto",
  name,
  passedOver: problems.map((problem, at) => ({ name: at === 0 ? "cuda" : "webgpu", problem })),
});

test.each([
  [{ requested: "cuda", name: "cuda", passedOver: [] } satisfies ProviderChoice, "cuda (named)"],
  [auto("cuda"), "cuda (auto; it works here)"],
  [auto("webgpu", "libcudnn.so.9 missing"), "webgpu (auto; cuda: libcudnn.so.9 missing)"],
  [auto("cpu", "libcudnn.so.9 missing", "no adapter"), "cpu (auto; cuda: libcudnn.so.9 missing; webgpu: no adapter)"],
  [auto("cpu", "no NVIDIA GPU is here", "no NVIDIA GPU is here"), "cpu (auto; no NVIDIA GPU is here)"],
])("%j", (choice, text) => {
  expect(describeProvider(choice)).toBe(text);
});

test("T5 and the safety checker stay on the CPU", () => {
  const { stages } = planOf({});
  expect(stages.map(({ name }) => name)).toEqual(["text-encoding", "stage-1", "stage-2", "safety"]);
  expect(gpuStagesOf(stages, auto("webgpu"))).toEqual({ "stage-1": "webgpu", "stage-2": "webgpu" });
  expect(gpuStagesOf(stages, auto("cpu"))).toEqual({});
});

test("T5 goes to the GPU where that is asked for and its provider takes it", () => {
  const { stages } = planOf({});
  expect(gpuStagesOf(stages, auto("cuda"), "gpu")).toEqual({
    "text-encoding": "cuda",
    "stage-1": "cuda",
    "stage-2": "cuda",
  });
  expect(gpuStagesOf(stages, auto("cuda"), "cpu")).not.toHaveProperty("text-encoding");
  expect(gpuStagesOf(stages, auto("webgpu"), "gpu")).not.toHaveProperty("text-encoding");
  expect(gpuStagesOf(stages, auto("cpu"), "gpu")).toEqual({});
  const embedded = stages.map((stage) => (stage.kind === "text" ? { ...stage, readsEmbeds: true as const } : stage));
  expect(gpuStagesOf(embedded, auto("cuda"), "gpu")).not.toHaveProperty("text-encoding"); // there is nothing to encode
});
