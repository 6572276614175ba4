/**
 * @module run/remember-providers
 * Whether a provider works is tried once, for many runs: each try is a process.
 */

import { chooseProvider } from "./choose-provider.ts";

/** @returns what chooses as chooseProvider did the first time. */
export function rememberProviders(): typeof chooseProvider {
  const choices = new Map<string, ReturnType<typeof chooseProvider>>();
  return (requested, deviceId, machine) => {
    const key = `${requested} ${deviceId}`;
    const chosen = choices.get(key) ?? chooseProvider(requested, deviceId, machine);
    choices.set(key, chosen);
    return chosen;
  };
}
