/**
 * @module hub/answer-failure
 * What an answer that is not 2xx means, in one sentence with the next step. Codes: the Hub's X-Error-Code header.
 */

import { HubError, type HubErrorReason } from "../errors.ts";
import { quote } from "../text.ts";
import { endpointOf, type Answer } from "./request.ts";
import { TransientFailure, readRetryAfterMs } from "./retry.ts";
import type { HubSettings } from "./types.ts";

/** What was asked for. */
export interface Subject {
  readonly repo?: string;
  readonly revision?: string;
  readonly path?: string;
}

const giveToken = "run if-gen login, set HF_TOKEN, or pass --token-stdin";
/** Accepting on this card covers the other IF repositories too. */
const ifCard = "DeepFloyd/IF-I-XL-v1.0";

/** @returns a TransientFailure when another try may help, else a HubError. The body is left unread, and let go. */
export async function answerFailure(settings: HubSettings, answer: Answer, subject: Subject): Promise<Error> {
  const { status, headers } = answer.response;
  await answer.response.body?.cancel();
  if (status === 408 || status === 429 || status >= 500) return busyFailure(answer);
  const isEndpoint = answer.url.origin === new URL(endpointOf(settings)).origin;
  if (!isEndpoint) return new TransientFailure(cdnFailure(answer)); // a signed address may have expired: a new try asks anew
  const [reason, text] = explain(settings, status, headers, subject);
  return new HubError(reason, text);
}

function explain(settings: HubSettings, status: number, headers: Headers, subject: Subject): [HubErrorReason, string] {
  const { repo = "It", revision = "main", path = "the file" } = subject;
  const isRefusal = status === 401 || status === 403;
  const code = headers.get("x-error-code") ?? "";
  const words = serverWords(settings, headers);
  if (code === "GatedRepo") return ["gated", gatedText(settings, repo)];
  if (code === "RevisionNotFound") {
    return [
      "revision-not-found",
      `${repo} has no revision ${quote(revision)}; look at ${page(settings, repo)}/tree/main.`,
    ];
  }
  if (code === "EntryNotFound") {
    return [
      "entry-not-found",
      `${repo} has no file ${quote(path)} at ${revision}; look at ${page(settings, repo)}/tree/${revision}.`,
    ];
  }
  if (isRefusal && (/invalid credentials/i.test(words) || subject.repo === undefined)) {
    return [
      "token",
      `The Hub does not accept the token; make a new one at ${endpointOf(settings)}/settings/tokens and ${giveToken}.`,
    ];
  }
  if (code === "RepoNotFound" || status === 401) {
    const next =
      settings.token === undefined
        ? `if it is private, ${giveToken}`
        : "if it is private, the token's account cannot see it";
    return ["repo-not-found", `${repo} is not on ${endpointOf(settings)}; check the name, or ${next}.`];
  }
  if (status === 403) return ["forbidden", `The Hub refuses ${repo}${words}; check what the token may read.`];
  return ["network", `The Hub answered ${status} for ${repo}${words}; check HF_ENDPOINT, or try again later.`];
}

function gatedText(settings: HubSettings, repo: string): string {
  const isIf = /^DeepFloyd\/IF-/i.test(repo);
  const card = page(settings, isIf ? ifCard : repo);
  const scope = isIf ? " (once, for all DeepFloyd IF repositories)" : "";
  const accept = `open ${card} and accept its licence${scope}`;
  return settings.token === undefined
    ? `${repo} is gated: ${accept}, then give your token: ${giveToken}.`
    : `${repo} is gated and your token's account has not accepted its licence: ${accept}, then try again (a fine-grained token must also allow gated repositories).`;
}

function busyFailure({ response, url }: Answer): TransientFailure {
  const retryAfterMs = readRetryAfterMs(response.headers);
  const when = retryAfterMs > 0 ? `in ${Math.ceil(retryAfterMs / 1000)} s` : "later";
  const what = response.status === 429 ? "asks for fewer requests (429)" : `has trouble (${response.status})`;
  const text = `${url.host} ${what}; try again ${when}, what has arrived is kept.`;
  return new TransientFailure(new HubError("network", text), retryAfterMs);
}

/** No path, no query: they may hold a signature. */
function cdnFailure({ response, url }: Answer): HubError {
  return new HubError(
    "network",
    `${url.host} answered ${response.status} for a file the Hub sent us to; try again later.`,
  );
}

function page(settings: HubSettings, repo: string): string {
  return `${endpointOf(settings)}/${repo}`;
}

/** The server's own sentence: foreign text, so shortened, made printable, and never with the token in it. */
function serverWords(settings: HubSettings, headers: Headers): string {
  const words = headers.get("x-error-message") ?? "";
  const clean = settings.token === undefined ? words : words.replaceAll(settings.token, "***");
  return clean === "" ? "" : `: ${quote(clean, 200)}`;
}
