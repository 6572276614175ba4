/**
 * @module hub/environment
 * Where the Hub's cache and token lie and how to reach it: the same environment variables and files, with the same
 * precedence, as Python's huggingface_hub, so that both share one cache and one login. An empty variable counts as unset.
 * Source: huggingface_hub, constants.py and utils/_auth.py.
 */

import { join, resolve } from "node:path";
import { readWords } from "../files/regular-file.ts";
import { proxyAdvice } from "./proxy.ts";
import type { HubSettings } from "./types.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `none`: nobody is logged in; `hidden`: HF_HUB_DISABLE_IMPLICIT_TOKEN keeps a token from being sent unasked. */
export type TokenSource = "HF_TOKEN" | "HUGGING_FACE_HUB_TOKEN" | "file" | "hidden" | "none";

export interface HubEnvironment {
  /** HF_HOME. */
  readonly home: string;
  /** HF_HUB_CACHE: holds `models--org--name/`. */
  readonly cacheFolder: string;
  /** HF_TOKEN_PATH: what `login` writes. */
  readonly tokenPath: string;
  readonly endpoint: string;
  readonly offline: boolean;
  /** HF_HUB_DISABLE_PROGRESS_BARS. */
  readonly quiet: boolean;
  readonly token?: string;
  readonly tokenSource: TokenSource;
  /** What to do about proxies that Node does not follow, if any is set. */
  readonly proxyAdvice?: string;
  /** HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT, where set. */
  readonly timeouts: NonNullable<HubSettings["timeouts"]>;
}

/** @param home the user's home folder. */
export function hubEnvironment(env: Environment, home: string): HubEnvironment {
  const expand = (path: string): string => resolve(expandVariables(expandHome(path, home), env));
  const hubHome = expand(env["HF_HOME"] || join(env["XDG_CACHE_HOME"] || join(home, ".cache"), "huggingface"));
  const tokenPath = expand(env["HF_TOKEN_PATH"] || join(hubHome, "token"));
  const endpoint = (env["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, "");
  const advice = proxyAdvice(env, endpoint);
  return {
    home: hubHome,
    cacheFolder: expand(env["HF_HUB_CACHE"] || env["HUGGINGFACE_HUB_CACHE"] || join(hubHome, "hub")),
    tokenPath,
    endpoint,
    offline: isTrue(env["HF_HUB_OFFLINE"] || env["TRANSFORMERS_OFFLINE"]),
    quiet: isTrue(env["HF_HUB_DISABLE_PROGRESS_BARS"]),
    ...findToken(env, tokenPath),
    ...(advice === undefined ? {} : { proxyAdvice: advice }),
    timeouts: {
      ...millisecondsOf("headersMs", env["HF_HUB_ETAG_TIMEOUT"]),
      ...millisecondsOf("stallMs", env["HF_HUB_DOWNLOAD_TIMEOUT"]),
    },
  };
}

/** @returns what the functions of hub/ take. */
export function hubSettings(environment: HubEnvironment, version: string): HubSettings {
  const { endpoint, cacheFolder, token, offline, timeouts, proxyAdvice: advice } = environment;
  return {
    endpoint,
    cacheFolder,
    ...(token === undefined ? {} : { token }),
    ...(advice === undefined ? {} : { proxyAdvice: advice }),
    offline,
    userAgent: `if-gen/${version}; node/${process.versions.node}`,
    timeouts,
  };
}

/** A token has some forty letters. */
const maxTokenBytes = 16_384;

function findToken(env: Environment, tokenPath: string): Pick<HubEnvironment, "token" | "tokenSource"> {
  const candidates: readonly [TokenSource, string | undefined][] = [
    ["HF_TOKEN", env["HF_TOKEN"]],
    ["HUGGING_FACE_HUB_TOKEN", env["HUGGING_FACE_HUB_TOKEN"]],
    ["file", readWords(tokenPath, maxTokenBytes)], // none or not ours to read: requests go out without one, and the Hub says so
  ];
  for (const [tokenSource, text] of candidates) {
    const token = cleanToken(text);
    if (token === undefined) continue;
    return isTrue(env["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) ? { tokenSource: "hidden" } : { token, tokenSource };
  }
  return { tokenSource: "none" };
}

/** @returns the token on one line without blanks at its ends; undefined if nothing is left. */
export function cleanToken(text: string | undefined): string | undefined {
  return text?.replaceAll(/[\r\n]/g, "").trim() || undefined;
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

function millisecondsOf(name: "headersMs" | "stallMs", seconds: string | undefined): HubEnvironment["timeouts"] {
  const value = Number(seconds);
  return seconds && Number.isInteger(value) && value > 0 ? { [name]: value * 1000 } : {};
}

/** `~` and `~/...`, as expanduser does for the own home. */
const expandHome = (path: string, home: string): string => path.replace(/^~(?=$|[/\\])/, () => home);

/** `$NAME` and `${NAME}`; unknown ones stay as they are, as expandvars leaves them. */
function expandVariables(path: string, env: Environment): string {
  return path.replace(/\$(\w+|\{\w+\})/g, (whole, name: string) => env[name.replace(/[{}]/g, "")] ?? whole);
}
