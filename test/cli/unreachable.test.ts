/** Every command that asks the Hub, where it cannot: behind a proxy that Node does not follow, or with too few addresses. */

import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { runCli, temporaryFolder } from "./run-cli.ts";

const asking: readonly (readonly string[])[] = [
  ["models", "pull", "if-m"],
  ["whoami"],
  ["txt2img", "a cat", "--model", "if-m"],
];
const env = (): Record<string, string> => ({
  HF_ENDPOINT: "http://127.0.0.1:1",
  HF_HOME: temporaryFolder(),
  HF_TOKEN: "hf_x",
  NODE_USE_ENV_PROXY: "",
  NO_PROXY: "",
  no_proxy: "",
});

test.each(asking.slice(1, 2))("a proxy that is not followed is named: %s", async (...args) => {
  const { code, stderr } = await runCli(args, { env: { ...env(), HTTP_PROXY: "http://127.0.0.1:2" } });
  expect(code).toBe(8);
  expect(stderr).toMatch(/HTTP_PROXY is set, which this Node does not follow: .*NODE_USE_ENV_PROXY=1/);
});

describe.skipIf(process.platform !== "linux")("a limit of addresses", () => {
  const prefix = ["bash", "-c", 'ulimit -v 4000000; exec "$@"', "bash"];
  const words = [process.execPath, "-e", "fetch('http://127.0.0.1:9').catch(() => 0)"];
  /** Node 20 and 22 die of it; Node 24 reserves fewer addresses. */
  const diesOfIt = spawnSync("bash", [...prefix.slice(1), ...words]).status !== 0;
  const sentence = diesOfIt
    ? /^if-gen: .* cannot be asked for: [^\n]*ulimit -v unlimited[^\n]*\[HUB\]\n$/
    : /^if-gen: 127\.0\.0\.1:1 cannot be reached [^\n]*\[HUB\]\n$/;

  test.each(asking.map((args) => [args]))("%j ends with one sentence", async (args) => {
    const { code, stderr } = await runCli(args, { env: env(), prefix });
    expect(code).toBe(8);
    expect(stderr).toMatch(sentence);
  });
});
