import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks", // onnxruntime-node is a native addon: a crash should end one file, not the run
    maxWorkers: 2,
    env: { ORT_DISABLE_TELEMETRY: "1" }, // as bin/if-gen.js sets it
    testTimeout: 60_000,
  },
});
