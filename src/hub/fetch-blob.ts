/**
 * @module hub/fetch-blob
 * The content of one file, over as many requests and runs as it takes: Range from what is there, If-Range where the
 * server knows the content by its name, and the hash at the end.
 */

import { HubError } from "../errors.ts";
import { quote } from "../text.ts";
import { answerFailure, type Subject } from "./answer-failure.ts";
import { etagOf, isWhole, type FilePlace } from "./layout.ts";
import { PartialFile } from "./partial-file.ts";
import { readBody } from "./read-body.ts";
import { endpointOf, request, type Answer } from "./request.ts";
import { TransientFailure, withRetries } from "./retry.ts";
import type { DownloadFileOptions, HubSettings, RepoFile } from "./types.ts";

/** Arrived bytes after which a broken line counts as the first break again. */
const progressBytes = 2 ** 20;

export interface Download {
  readonly repo: string;
  readonly commit: string;
  readonly file: RepoFile;
  readonly place: FilePlace;
}

/**
 * Makes `place.blob` out of `place.incomplete` and what the Hub sends. The caller holds the file's lock.
 * @throws {HubError} checksum, changed, gated, ..., network, disk errors as they are; what has arrived stays.
 */
export async function fetchBlob(
  settings: HubSettings,
  download: Download,
  options: DownloadFileOptions,
): Promise<void> {
  const { blob, incomplete } = download.place;
  const partial = await PartialFile.open(incomplete, download.file, options.signal);
  const isComplete = async (): Promise<boolean> => (await partial.finish(blob)) || isWhole(blob, download.file.bytes); // or another process was quicker
  try {
    await receiveRest(settings, download, partial, options);
    if (await isComplete()) return;
    if (!partial.isOnePiece) {
      await partial.startOver();
      await receiveRest(settings, download, partial, options); // pieces may not fit; one whole answer must
      if (await isComplete()) return;
    }
    await partial.remove();
    throw checksumError(download);
  } finally {
    await partial.close();
  }
}

/** As many answers as it takes, within the limits. */
async function receiveRest(
  settings: HubSettings,
  download: Download,
  partial: PartialFile,
  options: DownloadFileOptions,
): Promise<void> {
  let highest = partial.doneBytes; // not the last one: a server that makes us start over and over has brought nothing
  const hasProgressed = (): boolean => {
    const hasMoved = partial.doneBytes - highest >= progressBytes;
    if (hasMoved) highest = partial.doneBytes;
    return hasMoved;
  };
  options.onProgress?.(partial.doneBytes, download.file.bytes);
  await withRetries(
    settings,
    async () => {
      if (!partial.isWhole) await receive(settings, download, partial, options);
    },
    { signal: options.signal, onRetry: options.onRetry, hasProgressed },
  );
}

/** One answer, as far as it goes. */
async function receive(
  settings: HubSettings,
  download: Download,
  partial: PartialFile,
  { signal, onProgress }: DownloadFileOptions,
): Promise<void> {
  const { repo, commit, file } = download;
  const isRest = partial.doneBytes > 0;
  const answer = await request(settings, resolveUrl(settings, download), {
    ...(isRest && {
      headers: { range: `bytes=${partial.doneBytes}-` },
      endpointHeaders: { "if-range": `"${etagOf(file)}"` }, // another host knows the content by a name of its own
    }),
    signal,
  });
  await checkAnswer(settings, answer, partial, download, { repo, revision: commit, path: file.path });
  partial.beginPiece();
  for await (const chunk of readBody(settings, answer, signal)) {
    if (chunk.length > partial.missingBytes) throw await tooLong(partial, answer);
    await partial.append(chunk);
    onProgress?.(partial.doneBytes, file.bytes);
  }
  if (!partial.isWhole) throw transient(answer, "ended the answer early");
}

/** After this the body continues `partial`, or begins it anew. */
async function checkAnswer(
  settings: HubSettings,
  answer: Answer,
  partial: PartialFile,
  { file, repo }: Download,
  subject: Subject,
): Promise<void> {
  const { status, headers } = answer.response;
  const refuse = async (error: Error): Promise<never> => {
    await answer.response.body?.cancel();
    throw error;
  };
  if (answer.etag !== undefined && isOtherContent(answer.etag, file)) await refuse(changedError(repo, file));
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "");
    if (Number(range?.[1]) === partial.doneBytes && Number(range?.[2]) === file.bytes) return;
    await partial.startOver();
    await refuse(transient(answer, "sent another part than was asked for"));
  }
  if (status === 200) {
    const length = headers.get("content-length");
    if (length !== null && !headers.has("content-encoding") && Number(length) !== file.bytes)
      await refuse(transient(answer, "sent something else than the file"));
    if (partial.doneBytes > 0) await partial.startOver(); // it does not do ranges, or If-Range did not hold
    return;
  }
  if (status === 416) {
    await partial.startOver();
    await refuse(transient(answer, "has no such part of the file"));
  }
  throw await answerFailure(settings, answer, subject);
}

/** Only names of the same kind can be compared: a store may have its own. */
function isOtherContent(etag: string, file: RepoFile): boolean {
  const expectedEtag = etagOf(file);
  return /^[0-9a-f]+$/.test(etag) && etag.length === expectedEtag.length && etag !== expectedEtag;
}

async function tooLong(partial: PartialFile, answer: Answer): Promise<TransientFailure> {
  await partial.startOver();
  return transient(answer, "sends more than the file holds");
}

function transient({ url }: Answer, what: string): TransientFailure {
  const text = `${url.host} ${what}; check the network and any proxy, and try again.`;
  return new TransientFailure(new HubError("network", text));
}

/** Where a file of a commit is. */
export function resolveUrl(
  settings: HubSettings,
  { repo, commit, file }: Pick<Download, "repo" | "commit" | "file">,
): string {
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  return `${endpointOf(settings)}/${repo}/resolve/${commit}/${path}`;
}

function changedError(repo: string, file: RepoFile): HubError {
  const text = `${repo} now serves another ${quote(file.path)} than it listed; run the pull again to take the new list.`;
  return new HubError("changed", text);
}

function checksumError({ repo, file }: Download): HubError {
  const text = `${quote(file.path)} of ${repo} arrived with another hash than the Hub lists, and was thrown away; try again later.`;
  return new HubError("checksum", text);
}
