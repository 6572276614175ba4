/**
 * @module run/group-requests
 * Which requests may share networks: those that differ in nothing but their prompts, seeds and start images.
 */

import type { Request } from "../plan/request.ts";

/** @returns the same text for requests whose jobs can run one after the other in one process per stage. */
export function settingsKey(request: Request): string {
  const perJob: readonly string[] = [
    "prompt",
    "negativePrompt",
    "morePrompts",
    "moreNegativePrompts",
    "positivePrompt",
    "style",
    "seed",
    "variation",
    "start",
    "lowResolution",
    "promptEmbeds",
  ] satisfies (keyof Request)[];
  const shared = Object.entries(request).filter(([key]) => !perJob.includes(key));
  const { morePrompts = [], moreNegativePrompts } = request;
  const optional = [request.start, request.positivePrompt, request.promptEmbeds, moreNegativePrompts];
  const given = [morePrompts.length, ...optional.map((value) => value !== undefined)];
  return JSON.stringify([sorted(Object.fromEntries(shared)), ...given]);
}

const sorted = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value)
        .map(([key, inner]): [string, unknown] => [key, sorted(inner)])
        .sort(([a], [b]) => (a < b ? -1 : 1))
    : value;

/** @returns groups of items with the same key, in the order in which each group's first item comes. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string | undefined): [T, ...T[]][] {
  const groups = new Map<string | undefined, [T, ...T[]]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}
