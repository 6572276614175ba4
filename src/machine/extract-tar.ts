/**
 * @module machine/extract-tar
 * Files out of a tar archive as it streams by. Source: POSIX ustar; GNU's and pax's long names are skipped, since the
 * names that are looked for are short.
 */

import { Readable } from "node:stream";
import type { Place } from "./copy-libraries.ts";

const BLOCK = 512;

/** @throws {Error} it is no tar archive, or ends early. */
export async function extractTar(
  archive: AsyncIterable<Buffer>,
  isWanted: (path: string) => boolean,
  place: Place,
): Promise<void> {
  const source = new BlockReader(archive);
  for (;;) {
    const header = await source.read(BLOCK);
    if (header === undefined || header.every((byte) => byte === 0)) return;
    const bytes = Number.parseInt(header.toString("latin1", 124, 136).replaceAll(/[\0 ]/g, ""), 8);
    if (header.toString("latin1", 257, 262) !== "ustar" || !Number.isSafeInteger(bytes)) {
      throw new Error("it is not a tar archive");
    }
    const path = header.toString("utf8", 0, 100).replace(/\0.*$/s, "");
    const isFile = header[156] === 0x30 || header[156] === 0;
    const body = source.stream(bytes);
    if (isFile && isWanted(path)) await place(path, Readable.from(body));
    else for await (const _ of body); // passed over
    await source.read((BLOCK - (bytes % BLOCK)) % BLOCK);
  }
}

/** Cuts a stream of chunks into the lengths that are asked for. */
class BlockReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(archive: AsyncIterable<Buffer>) {
    this.#chunks = archive[Symbol.asyncIterator]();
  }

  /** @returns that many bytes, few of them; undefined at the archive's end. */
  async read(bytes: number): Promise<Buffer | undefined> {
    while (this.#rest.length < bytes) {
      const { value, done } = await this.#chunks.next();
      if (done) {
        if (this.#rest.length === 0) return undefined;
        throw new Error("it is cut short");
      }
      this.#rest = Buffer.concat([this.#rest, value]);
    }
    const [read, rest] = [this.#rest.subarray(0, bytes), this.#rest.subarray(bytes)];
    this.#rest = rest;
    return read;
  }

  async *stream(bytes: number): AsyncGenerator<Buffer> {
    let left = bytes;
    while (left > 0) {
      const chunk = await this.read(Math.min(left, this.#rest.length || 1));
      if (chunk === undefined) throw new Error("it is cut short");
      left -= chunk.length;
      yield chunk;
    }
  }
}
