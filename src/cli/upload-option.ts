/**
 * @module cli/upload-option
 * `--upload-to s3://bucket/folder`, of the commands that draw many images.
 */

import { type Command, InvalidArgumentError } from "commander";
import { isStoreAddress } from "../run/store/store-address.ts";

export interface UploadOption {
  uploadTo?: string;
}

/** @param description what goes there. */
export const addUploadOption = (command: Command, description: string): Command =>
  command.option("--upload-to <url>", `${description}: s3://bucket/folder`, storeAddress);

function storeAddress(text: string): string {
  if (isStoreAddress(text)) return text;
  throw new InvalidArgumentError("It must be a bucket and, if you like, a folder in it: s3://bucket/folder.");
}
