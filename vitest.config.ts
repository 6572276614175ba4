import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks", // onnxruntime-node is a native addon: a crash should end one file, not the run
    maxWorkers: 3, // a process of ours often waits: for another one to start, or for the disk
    // as bin/if-gen.js sets it; and no defaults of whoever runs the tests
    env: {
      ORT_DISABLE_TELEMETRY: "1",
      XDG_CONFIG_HOME: join(tmpdir(), "if-gen-tests-without-config"),
      IF_GEN_THREADS: "1", // the workers fill two cores; more threads wait for each other in vain
    },
    testTimeout: 120_000,
  },
});
