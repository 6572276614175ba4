import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks", // onnxruntime-node is a native addon: a crash should end one file, not the run
    maxWorkers: 2,
    // as bin/if-gen.js sets it; and no defaults of whoever runs the tests
    env: {
      ORT_DISABLE_TELEMETRY: "1",
      XDG_CONFIG_HOME: join(tmpdir(), "if-gen-tests-without-config"),
      IF_GEN_THREADS: "1", // two workers fill two cores; more threads wait for each other in vain
    },
    testTimeout: 60_000,
  },
});
