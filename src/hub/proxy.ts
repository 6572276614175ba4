/**
 * @module hub/proxy
 * Does this Node's own `fetch` go through the proxy that the environment names? Only newer ones can, and only when told to.
 * The feature is asked for, not the version: it was brought to older lines too (22.21). Node follows HTTP_PROXY, HTTPS_PROXY
 * and NO_PROXY, never ALL_PROXY, and speaks to HTTP proxies alone.
 * Source: nodejs.org/api/http.html, "Built-in Proxy Support".
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** What Node is asked about proxies; replaced in tests. */
export interface ProxyFeature {
  /** Can this Node's `fetch` be told to follow proxies? */
  readonly isKnown: boolean;
  /** Was it told to on the command line? */
  readonly isOption: boolean;
}

export function proxyFeature(env: Environment): ProxyFeature {
  const option = "--use-env-proxy";
  const isEarly24 = Number(process.versions.node.split(".")[0]) === 24; // 24.0 to 24.4: by the variable alone
  return {
    isKnown: process.allowedNodeEnvironmentFlags.has(option) || isEarly24,
    isOption: [...process.execArgv, ...(env["NODE_OPTIONS"] ?? "").split(/\s+/)].includes(option),
  };
}

/**
 * @param endpoint of the Hub: its scheme and host decide which variables are meant.
 * @returns the names of proxy variables that are set for it and that `fetch` does not follow.
 */
export function ignoredProxies(
  env: Environment,
  endpoint: string,
  feature: ProxyFeature = proxyFeature(env),
): string[] {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && isDirect(url, env)) return [];
  const scheme = url?.protocol === "http:" ? "http" : "https";
  const variables = [`${scheme.toUpperCase()}_PROXY`, `${scheme}_proxy`].filter((name) => env[name]);
  const all = ["ALL_PROXY", "all_proxy"].filter((name) => env[name]);
  const isTold = feature.isKnown && (feature.isOption || env["NODE_USE_ENV_PROXY"] === "1");
  if (!isTold) return [...variables, ...all];
  return variables.length > 0 ? variables.filter((name) => isSocks(env[name])) : all;
}

/** @returns what to do about such variables, as the end of a sentence. */
export function proxyStep(
  env: Environment,
  names: readonly string[],
  { isKnown }: ProxyFeature = proxyFeature(env),
): string {
  const otherwise = "or fetch with another tool into the same cache";
  if (names.some((name) => isSocks(env[name])))
    return `set HTTPS_PROXY to an HTTP proxy, which Node needs, ${otherwise}`;
  const assign = names.some((name) => /^https?_/i.test(name)) ? "" : "HTTPS_PROXY to the same address and ";
  if (isKnown) return `set ${assign}NODE_USE_ENV_PROXY=1`;
  return `use Node 22.21, 24 or later and set ${assign}NODE_USE_ENV_PROXY=1, ${otherwise}`;
}

/** @returns for when the Hub cannot be reached: what may be the reason and what to do, as the end of a sentence; undefined: no variable is ignored. */
export function proxyAdvice(
  env: Environment,
  endpoint: string,
  feature: ProxyFeature = proxyFeature(env),
): string | undefined {
  const names = ignoredProxies(env, endpoint, feature);
  if (names.length === 0) return undefined;
  return `${names.join(" and ")} is set, which this Node does not follow: ${proxyStep(env, names, feature)}`;
}

const isSocks = (proxy = ""): boolean => /^socks/i.test(proxy);

/** NO_PROXY: `*`, hosts, and domains with or without a dot before them; what has a port is for that port. */
function isDirect({ hostname, host }: URL, env: Environment): boolean {
  const entries = (env["no_proxy"] || env["NO_PROXY"] || "").split(/[\s,]+/).filter(Boolean);
  return entries.some((entry) => {
    const domain = entry.toLowerCase().replace(/^\*?\./, "");
    return entry === "*" || [hostname, host].some((name) => name === domain || name.endsWith(`.${domain}`));
  });
}
