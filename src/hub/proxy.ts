/**
 * @module hub/proxy
 * Does this Node's own `fetch` go through a proxy? Only newer ones do, and only when told to. The feature is asked for, not the
 * version: it was brought to older lines too.
 */

/** The way this Node can be told to follow HTTPS_PROXY; undefined: it cannot. */
export function proxySwitch(flags: ReadonlySet<string> = process.allowedNodeEnvironmentFlags): string | undefined {
  return flags.has("--use-env-proxy") ? "NODE_USE_ENV_PROXY=1" : undefined;
}

/**
 * @param env the environment's variables.
 * @returns the proxy variables that are set and not followed.
 */
export function ignoredProxies(
  env: Readonly<Record<string, string | undefined>>,
  flags: ReadonlySet<string> = process.allowedNodeEnvironmentFlags,
): string[] {
  const isTold = env["NODE_USE_ENV_PROXY"] === "1" || /(^|\s)--use-env-proxy(\s|$)/.test(env["NODE_OPTIONS"] ?? "");
  if (isTold && proxySwitch(flags) !== undefined) return [];
  return ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].filter((name) => env[name]);
}

/** @returns what to do about variables that are ignored, as a sentence; undefined: none is. For when the Hub cannot be reached. */
export function proxyAdvice(
  env: Readonly<Record<string, string | undefined>>,
  flags: ReadonlySet<string> = process.allowedNodeEnvironmentFlags,
): string | undefined {
  const names = ignoredProxies(env, flags);
  if (names.length === 0) return undefined;
  const how = proxySwitch(flags);
  const next =
    how === undefined
      ? "this Node cannot; use 22.21, 24 or newer with NODE_USE_ENV_PROXY=1, or fetch with another tool into the same cache"
      : `set ${how} too`;
  return `${names.join(" and ")} is set, which Node does not follow by itself: ${next}.`;
}
