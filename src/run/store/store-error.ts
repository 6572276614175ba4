/**
 * @module run/store/store-error
 * What a store's client throws, as a sentence.
 */

import { OutputError } from "../../errors.ts";
import { printable } from "../../text.ts";
import { parseStoreAddress } from "./store-address.ts";

/** What errors of Amazon's client have in common. */
interface ClientError {
  readonly name?: string;
  readonly message?: string;
  /** Of the system. */
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const SET_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";

/** @param endpoint absent: Amazon's. */
export function storeError(cause: unknown, address: string, endpoint: string | undefined): OutputError {
  const { name = "", message = "", code, $metadata } = cause as ClientError;
  const { bucket } = parseStoreAddress(address);
  const status = $metadata?.httpStatusCode;
  const at = endpoint === undefined ? "" : ` at ${hostOf(endpoint)}`;
  const say = (text: string): OutputError => new OutputError(`${text}.`, { cause });
  if (name === "CredentialsProviderError" || /credential object is not valid/i.test(message))
    return say(`there are no credentials for ${address}; ${SET_CREDENTIALS}`);
  if (message.startsWith("Region is missing")) return say(`no region is set for ${address}; set AWS_REGION`);
  if (name === "NoSuchBucket" || status === 404) return say(`there is no bucket ${bucket}${at}; create it first`);
  if (status === 301) return say(`the bucket ${bucket} is in another region; set AWS_REGION to it`);
  if (status === 401 || status === 403)
    return say(`these credentials may not use ${address}${at}${reason(name)}; ${SET_CREDENTIALS}, to others`);
  if (status === undefined) return say(`${address} cannot be reached${at}: ${printable(code ?? message)}`);
  return say(`${address}${at} has failed with HTTP ${status}${reason(name)}`);
}

const reason = (name: string): string =>
  /^(\d+|Unknown|UnknownError|Error)?$/.test(name) ? "" : ` (${printable(name)})`;

function hostOf(endpoint: string): string {
  try {
    return new URL(endpoint).host;
  } catch {
    return printable(endpoint);
  }
}
