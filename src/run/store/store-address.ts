/**
 * @module run/store/store-address
 * `s3://bucket/folder`: where images go that go to no folder of this machine.
 */

import { UsageError } from "../../errors.ts";

export interface StoreAddress {
  readonly bucket: string;
  /** What the names of images begin with there: empty, or ending in a slash. */
  readonly prefix: string;
}

const SCHEME = "s3://";

/** Of buckets' names, as Amazon's rules have them, and the capitals and underscores of older ones. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;

export const isStoreAddress = (text: string): boolean => text.startsWith(SCHEME) && readAddress(text) !== undefined;

/** @throws {UsageError} it is no such address. */
export function parseStoreAddress(text: string): StoreAddress {
  const address = text.startsWith(SCHEME) ? readAddress(text) : undefined;
  if (address) return address;
  throw new UsageError(`${text} is no address of a store; it must be such as s3://bucket/folder.`);
}

function readAddress(text: string): StoreAddress | undefined {
  const [bucket = "", ...folders] = text.slice(SCHEME.length).split("/");
  const named = folders.filter((name, index) => name !== "" || index < folders.length - 1);
  if (!BUCKET.test(bucket) || named.some((name) => ["", ".", ".."].includes(name))) return undefined;
  return { bucket, prefix: named.map((name) => `${name}/`).join("") };
}
