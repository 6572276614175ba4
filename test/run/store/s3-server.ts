/** An S3-speaking server of one test's own, on a free port, with a bucket `images`. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import S3rver from "s3rver";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../../cli/run-cli.ts";

export interface S3Server {
  readonly port: number;
  /** What a client of it needs. */
  readonly env: Readonly<Record<string, string>>;
  /** @returns what lies in the bucket under a name. */
  readonly stored: (name: string) => Uint8Array;
  readonly close: () => Promise<void>;
}

/** Ends with the test. @param port that it had before. */
export async function startS3(port = 0): Promise<S3Server> {
  const bucket = { name: "images", configs: [] };
  const directory = temporaryFolder();
  const server = new S3rver({ address: "127.0.0.1", port, silent: true, directory, configureBuckets: [bucket] });
  const address = await server.run();
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await server.close();
    isOpen = false;
  };
  onTestFinished(close);
  const stored = (name: string): Uint8Array => readFileSync(join(directory, "images", `${name}._S3rver_object`));
  return { stored, port: address.port, env: clientOf(`http://127.0.0.1:${address.port}`), close };
}

/** The credentials that the server knows; and none are looked for elsewhere. */
export const clientOf = (endpoint: string): Record<string, string> => ({
  ...without,
  AWS_ENDPOINT_URL_S3: endpoint,
  AWS_ACCESS_KEY_ID: "S3RVER",
  AWS_SECRET_ACCESS_KEY: "S3RVER",
});

/** Nothing of whoever runs the tests. */
export const without: Readonly<Record<string, string>> = {
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: "/nothing",
  AWS_SHARED_CREDENTIALS_FILE: "/nothing",
  AWS_ENDPOINT_URL: "",
  AWS_REGION: "",
  AWS_PROFILE: "",
};
