import { readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Of the whole run the longest files: started first, they end with the others. A fresh clone has no times of an earlier run. */
const longest = [
  "cli/demo",
  "cli/batch",
  "run/draw",
  "cli/memory",
  "docs/readme",
  "cli/no-room",
  "run/resume",
  "cli/models",
  "docs/library",
  "run/upscale",
  "pipelines/e2e",
  "cli/streams",
  "package/install",
];
function placeOf({ moduleId }: TestSpecification): number {
  const place = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return place < 0 ? longest.length : place;
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => projectOrder(a) - projectOrder(b) || placeOf(a) - placeOf(b));
  }
}

/** Files of one project after the other: a process takes the next file of its own project only. */
const projectOrder = ({ project }: TestSpecification): number => (project.config.isolate ? 1 : 0);

/** What replaces modules or the process's own streams needs a process of its own. */
const alone = readdirSync("test", { recursive: true, encoding: "utf8" })
  .map((name) => join("test", name))
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => /vi\.(mock|spyOn)\(|unhandledRejection|IF_GEN_TEST_PROVIDERS/.test(readFileSync(file, "utf8")));

export default defineConfig({
  test: {
    pool: "forks", // onnxruntime-node is a native addon: a crash should end one file, not the run
    maxWorkers: 3, // a process of ours often waits: for another one to start, or for the disk
    globalSetup: "test/small-model.ts",
    sequence: { sequencer: LongestFirst },
    // as bin/if-gen.js sets it; and no defaults of whoever runs the tests
    env: {
      ORT_DISABLE_TELEMETRY: "1",
      XDG_CONFIG_HOME: join(tmpdir(), "if-gen-tests-without-config"),
      IF_GEN_THREADS: "1", // the workers fill two cores; more threads wait for each other in vain
    },
    testTimeout: 120_000,
    // Opening the program's modules takes up to a second, and most files need nothing else from a process of their own.
    projects: [
      { extends: true, test: { name: "together", isolate: false, include: ["test/**/*.test.ts"], exclude: alone } },
      { extends: true, test: { name: "alone", include: alone } },
    ],
  },
});
