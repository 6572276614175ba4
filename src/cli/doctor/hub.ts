/**
 * @module cli/doctor/hub
 * The Hub: its cache, the token, the way to it. The demo needs none of it.
 */

import { statSync } from "node:fs";
import { IfGenError } from "../../errors.ts";
import { listCachedRepos } from "../../hub/cached-repos.ts";
import { whoAmI } from "../../hub/who-am-i.ts";
import type { HubContext } from "../../catalog/hub-context.ts";
import { type Check, note, ok, problem } from "./check.ts";
import { canFetch } from "../../hub/can-fetch.ts";
import { ignoredProxy } from "../../machine/environment.ts";
import { formatBytes } from "../../machine/bytes.ts";

const TIMEOUT_MS = 10_000;

export async function checkHub({ environment, settings }: HubContext): Promise<Check[]> {
  const endpoint = await checkEndpoint(settings.endpoint, settings.offline);
  return [
    await checkCached({ environment, settings }),
    endpoint,
    ...checkProxy(settings.endpoint),
    await checkToken({ environment, settings }, endpoint.state === "ok"),
  ];
}

async function checkCached({ settings }: Pick<HubContext, "environment" | "settings">): Promise<Check> {
  try {
    const repos = await listCachedRepos(settings);
    const bytes = repos.reduce((total, repo) => total + repo.bytes, 0);
    return ok("cached models", repos.length === 0 ? "none" : `${repos.length} repositories, ${formatBytes(bytes)}`);
  } catch (error) {
    return problem("cached models", wordsOf(error), "check the folder's permissions, or set HF_HUB_CACHE");
  }
}

/** Any answer will do: only the way is looked at. No token is sent. */
async function checkEndpoint(endpoint: string, offline: boolean): Promise<Check> {
  if (offline) return note("Hub", "HF_HUB_OFFLINE is set: it is not asked");
  if (!canFetch()) return note("Hub", "not asked: this shell's limit of addresses (ulimit -v) keeps Node from it");
  try {
    const response = await fetch(endpoint, {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return ok("Hub", `${endpoint} answers`);
  } catch (error) {
    const { cause } = error as Error;
    const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : wordsOf(error);
    return problem(
      "Hub",
      `${endpoint} cannot be reached: ${reason}`,
      "check the network; set HF_ENDPOINT to a mirror, or HF_HUB_OFFLINE=1 to do without",
    );
  }
}

function checkProxy(endpoint: string): Check[] {
  const found = ignoredProxy(endpoint);
  if (found === undefined) return [];
  return [note("proxy", `${found.names.join(" and ")} is set, which this Node does not follow`, found.step)];
}

async function checkToken(
  { environment, settings }: Pick<HubContext, "environment" | "settings">,
  isReachable: boolean,
): Promise<Check> {
  const { tokenSource, tokenPath } = environment;
  if (tokenSource === "none") return note("token", "none; only models behind a licence need one", "run: if-gen login");
  if (tokenSource === "hidden") return note("token", "HF_HUB_DISABLE_IMPLICIT_TOKEN is set: it is not sent");
  const from = tokenSource === "file" ? tokenPath : tokenSource;
  if (tokenSource === "file" && process.platform !== "win32" && (statSync(tokenPath).mode & 0o077) !== 0) {
    return problem("token", `${tokenPath} can be read by others`, `run: chmod 600 ${tokenPath}`);
  }
  if (!isReachable) return note("token", `from ${from}; not checked, since the Hub was not asked`);
  try {
    const { name } = await whoAmI(settings, AbortSignal.timeout(TIMEOUT_MS));
    return ok("token", `from ${from}, ${name}'s`);
  } catch (error) {
    return problem("token", `from ${from}: ${wordsOf(error)}`, "run: if-gen login");
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof IfGenError ? error.message : error instanceof Error ? error.message : String(error);
