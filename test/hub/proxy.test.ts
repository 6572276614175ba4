/** Proxies that Node's own fetch does not follow, and what a failure says of them. */

import { describe, expect, test } from "vitest";
import { canFetch } from "../../src/hub/can-fetch.ts";
import { hubEnvironment, hubSettings } from "../../src/hub/environment.ts";
import { ignoredProxies, proxyAdvice, proxyFeature } from "../../src/hub/proxy.ts";
import { transportFailure } from "../../src/hub/request.ts";
import { TransientFailure } from "../../src/hub/retry.ts";
import { whoAmI } from "../../src/hub/who-am-i.ts";

const hub = "https://huggingface.co";
const [older, newer, told] = [
  { isKnown: false, isOption: false },
  { isKnown: true, isOption: false },
  { isKnown: true, isOption: true },
];
const proxy = "http://proxy:3128";

describe("which variables are set and not followed", () => {
  test.each([
    [{}, hub, older, []],
    [{ HTTPS_PROXY: proxy, all_proxy: "" }, hub, older, ["HTTPS_PROXY"]],
    [{ HTTPS_PROXY: proxy, NODE_USE_ENV_PROXY: "1" }, hub, older, ["HTTPS_PROXY"]],
    [{ HTTPS_PROXY: proxy }, hub, newer, ["HTTPS_PROXY"]],
    [{ HTTPS_PROXY: proxy, NODE_USE_ENV_PROXY: "1" }, hub, newer, []],
    [{ https_proxy: proxy, ALL_PROXY: proxy }, hub, told, []],
    [{ ALL_PROXY: proxy, NODE_USE_ENV_PROXY: "1" }, hub, newer, ["ALL_PROXY"]],
    [{ HTTP_PROXY: proxy }, hub, older, []], // of another scheme
    [{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy }, "http://mirror:8080", older, ["HTTP_PROXY"]],
    [{ HTTPS_PROXY: "socks5://proxy:1080", NODE_USE_ENV_PROXY: "1" }, hub, newer, ["HTTPS_PROXY"]],
    [{ HTTPS_PROXY: proxy, NO_PROXY: "localhost,.huggingface.co" }, hub, older, []],
    [{ HTTPS_PROXY: proxy, no_proxy: "*" }, hub, older, []],
    [{ HTTPS_PROXY: proxy, NO_PROXY: "mirror:8080" }, "https://mirror:8080/hf", older, []],
    [{ HTTPS_PROXY: proxy, NO_PROXY: "face.co" }, hub, older, ["HTTPS_PROXY"]],
  ])("%j for %s, %j: %j", (env, endpoint, feature, names) => {
    expect(ignoredProxies(env, endpoint, feature)).toEqual(names);
  });

  test("the option counts wherever it is given", () => {
    expect(proxyFeature({}).isOption).toBe(false);
    expect(proxyFeature({ NODE_OPTIONS: "--no-warnings --use-env-proxy" }).isOption).toBe(true);
  });
});

describe("what is said to do is what this Node can do, whatever its version", () => {
  test.each([
    [{}, newer, undefined],
    [{ HTTPS_PROXY: proxy }, newer, /^HTTPS_PROXY is set, which this Node does not follow: set NODE_USE_ENV_PROXY=1$/],
    [
      { HTTPS_PROXY: proxy },
      older,
      /: use Node 22\.21, 24 or later and set NODE_USE_ENV_PROXY=1, or fetch with another/,
    ],
    [{ ALL_PROXY: proxy }, newer, /: set HTTPS_PROXY to the same address and NODE_USE_ENV_PROXY=1$/],
    [
      { ALL_PROXY: "socks5h://p" },
      newer,
      /: set HTTPS_PROXY to an HTTP proxy, which Node needs, or fetch with another/,
    ],
  ])("%j, %j", (env, feature, words) => {
    const advice = proxyAdvice(env, hub, feature);
    if (words === undefined) expect(advice).toBeUndefined();
    else expect(advice).toMatch(words);
  });

  test("a host that cannot be reached is told with it", () => {
    const settingsOf = (env: Record<string, string>) => hubSettings(hubEnvironment(env, "/home/x"), "1");
    const refused = new TypeError("fetch failed", { cause: Object.assign(new Error("no"), { code: "ECONNREFUSED" }) });
    const messageWith = (env: Record<string, string>): string => {
      const error = transportFailure(settingsOf(env), refused, new URL(hub));
      return error instanceof TransientFailure ? error.failure.message : expect.fail();
    };
    expect(messageWith({})).toMatch(/\(ECONNREFUSED\); check the network and try again/);
    expect(messageWith({ HTTPS_PROXY: proxy })).toMatch(
      /\(ECONNREFUSED\); HTTPS_PROXY is set, which this Node does not/,
    );
  });
});

test("where fetch would end the process nothing is asked", async () => {
  expect(canFetch()).toBe(true);
  const settings = {
    ...hubSettings(hubEnvironment({ HF_TOKEN: "hf_x" }, "/home/x"), "1"),
    endpoint: "http://127.0.0.1:1",
  };
  await expect(whoAmI({ ...settings, canFetch: () => false })).rejects.toThrow(
    /^The account of a token cannot be asked for: .*ulimit -v unlimited/,
  );
});
