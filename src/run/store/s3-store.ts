/**
 * @module run/store/s3-store
 * An S3-compatible store of images, over Amazon's own client, which is loaded when a store is named and not before: it is an
 * optional package. The one place that knows it. Endpoint, region and credentials are found as all of Amazon's programs find them.
 *
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, "Checking object integrity".
 */

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { OutputError, whyNotWritten } from "../../errors.ts";
import { makeFolder } from "../../files/make-folder.ts";
import { formatOfName } from "../../image/formats.ts";
import { ownS3Endpoint } from "../../machine/environment.ts";
import { loadOptional } from "../optional-packages.ts";
import { parseStoreAddress } from "./store-address.ts";
import { storeError } from "./store-error.ts";

/** Of one request, with longer and longer pauses, half a minute in all: a server that is started again is there by then. */
const ATTEMPTS = 10;
/** What endpoints of other makers are told, where no region is set: they have none. */
const ANY_REGION = "us-east-1";

export interface Store {
  /** Is there anything of that name? */
  readonly has: (name: string) => Promise<boolean>;
  /** Brings what has that name to `path`, and makes the folder. @returns false: there is no such thing. */
  readonly fetch: (name: string, path: string) => Promise<boolean>;
  /** Sends a file; what has that name already is replaced. Resolves when the store has said that it has every byte. */
  readonly put: (name: string, path: string) => Promise<void>;
  readonly close: () => void;
}

/**
 * All of the store's methods throw as this does.
 * @param address as store-address's.
 * @param attempts of each request.
 * @throws {UsageError} the package is missing, or it is no address.
 * @throws {OutputError} no such bucket, no credentials or none that may, no server after some attempts.
 */
export async function openStore(address: string, signal?: AbortSignal, attempts = ATTEMPTS): Promise<Store> {
  const { bucket, prefix } = parseStoreAddress(address);
  const s3 = await loadClient();
  const client = await createClient(s3, attempts);
  const options = signal ? { abortSignal: signal } : {};
  const named = (name: string) => ({ Bucket: bucket, Key: prefix + name });
  const say = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      signal?.throwIfAborted();
      throw storeError(error, address, ownS3Endpoint());
    }
  };
  const get = async (name: string): Promise<Uint8Array | undefined> => {
    try {
      const found: GetObjectCommandOutput = await client.send(new s3.GetObjectCommand(named(name)), options);
      return await found.Body?.transformToByteArray();
    } catch (error) {
      if (error instanceof s3.NoSuchKey) return undefined;
      throw error;
    }
  };
  await say(client.send(new s3.HeadBucketCommand({ Bucket: bucket }), options));
  return {
    has: (name) =>
      say(
        client.send(new s3.HeadObjectCommand(named(name)), options).then(
          () => true,
          (error: unknown) => {
            if (error instanceof s3.NotFound) return false;
            throw error;
          },
        ),
      ),
    async fetch(name, path) {
      const bytes = await say(get(name));
      if (bytes !== undefined) await writeFetched(path, bytes);
      return bytes !== undefined;
    },
    async put(name, path) {
      const bytes = await readFile(path);
      const checksum = sha256(bytes);
      const request = new s3.PutObjectCommand({
        ...named(name),
        Body: bytes,
        ChecksumSHA256: checksum,
        ContentType: `image/${formatOfName(name) ?? "png"}`,
      });
      const { ChecksumSHA256: confirmed } = await say(client.send(request, options));
      if (confirmed === checksum) return;
      const stored = await say(get(name)); // a store that does not check: what it has is read back
      if (stored === undefined || sha256(stored) !== checksum)
        throw new OutputError(`${address} has not stored ${name} as it was sent; look at the store's own messages.`);
    },
    close: () => client.destroy(),
  };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

async function writeFetched(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await writeFile(path, bytes);
  } catch (cause) {
    throw new OutputError(`${path} cannot be written: ${whyNotWritten(cause)}.`, { cause });
  }
}

const loadClient = (): Promise<typeof import("@aws-sdk/client-s3")> =>
  loadOptional("--upload-to", ["@aws-sdk/client-s3"], () => import("@aws-sdk/client-s3"));

/** Of other makers' stores a bucket is a path, not a host of its own: not every one of them has its names in the DNS. */
async function createClient(
  { S3Client: Client }: typeof import("@aws-sdk/client-s3"),
  maxAttempts: number,
): Promise<S3Client> {
  if (ownS3Endpoint() === undefined) return new Client({ maxAttempts });
  const config = { maxAttempts, forcePathStyle: true };
  const client = new Client(config);
  const isKnown = await client.config.region().then(
    () => true,
    () => false,
  );
  return isKnown ? client : new Client({ ...config, region: ANY_REGION });
}
