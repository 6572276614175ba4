/**
 * @module hub/read-start
 * The first bytes of a file of a repository, by a Range request, without the rest: a header, and how fast the line is.
 */

import { HubError } from "../errors.ts";
import { answerFailure } from "./answer-failure.ts";
import { resolveUrl } from "./fetch-blob.ts";
import { readBody } from "./read-body.ts";
import { request } from "./request.ts";
import { TransientFailure, withRetries } from "./retry.ts";
import type { HubSettings, RepoFile } from "./types.ts";

export interface FileStart {
  readonly bytes: Uint8Array;
  /** Bytes a second, from the first piece that arrived to the last; undefined: there was only one. */
  readonly rate: number | undefined;
}

/**
 * @param count how many bytes; all of them if the file has fewer.
 * @throws {HubError} gated, token, network, ..., as a download.
 */
export function readFileStart(
  settings: HubSettings,
  { repo, commit, file }: { readonly repo: string; readonly commit: string; readonly file: RepoFile },
  count: number,
  signal?: AbortSignal,
): Promise<FileStart> {
  const startBytes = Math.min(count, file.bytes);
  return withRetries(
    settings,
    async () => {
      const answer = await request(settings, resolveUrl(settings, { repo, commit, file }), {
        headers: { range: `bytes=0-${Math.max(0, startBytes - 1)}` },
        signal,
      });
      if (!answer.response.ok) throw await answerFailure(settings, answer, { repo, revision: commit, path: file.path });
      const start = await receive(readBody(settings, answer, signal), startBytes);
      if (start.bytes.length === startBytes) return start;
      const text = `${answer.url.host} ended the answer early; check the network and any proxy, and try again.`;
      throw new TransientFailure(new HubError("network", text));
    },
    { signal },
  );
}

/** A server that does not do ranges sends everything: what is too much is not read. */
async function receive(body: AsyncIterable<Uint8Array>, startBytes: number): Promise<FileStart> {
  const chunks: Uint8Array[] = [];
  let [total, firstBytes, firstAt] = [0, 0, 0];
  for await (const chunk of body) {
    if (total === 0) [firstBytes, firstAt] = [chunk.length, performance.now()];
    chunks.push(chunk);
    total += chunk.length;
    if (total >= startBytes) break;
  }
  const seconds = (performance.now() - firstAt) / 1000;
  const rate = total > firstBytes && seconds > 0 ? (total - firstBytes) / seconds : undefined;
  return { bytes: Buffer.concat(chunks).subarray(0, startBytes), rate };
}
