/**
 * @module hub/who-am-i
 * Whose token it is.
 */

import { whoAmI as askHub } from "@huggingface/hub";
import { HubError } from "../errors.ts";
import { quote } from "../text.ts";
import { callLibrary, createApiFetch } from "./api-fetch.ts";
import { checkOnline, endpointOf } from "./request.ts";
import type { HubSettings } from "./types.ts";

/**
 * @returns the account's name.
 * @throws {HubError} token: there is none, or the Hub does not know it; offline; network.
 */
export async function whoAmI(settings: HubSettings, signal?: AbortSignal): Promise<{ readonly name: string }> {
  checkOnline(settings, "The account of a token");
  if (settings.token === undefined || settings.token === "") {
    throw new HubError("token", "There is no token; run if-gen login, or set HF_TOKEN.");
  }
  // Our fetch sets the header itself. The library only wants to see the form of a token, which not every Hub's have.
  const hub = { hubUrl: endpointOf(settings), fetch: createApiFetch(settings, {}, signal), accessToken: "hf_" };
  const { name } = await callLibrary(settings, () => askHub(hub), signal);
  if (typeof name === "string" && name !== "") return { name: quote(name).slice(1, -1) };
  throw new HubError("network", "The Hub names no account for this token; check HF_ENDPOINT.");
}
