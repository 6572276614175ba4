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
