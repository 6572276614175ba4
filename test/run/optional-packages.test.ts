import { expect, test } from "vitest";
import { loadOptional } from "../../src/run/optional-packages.ts";

const missing = (): Promise<never> => Promise.reject(Object.assign(new Error(), { code: "ERR_MODULE_NOT_FOUND" }));

test("what is missing is named, with the command that installs it", async () => {
  await expect(loadOptional("--queue", ["bullmq", "ioredis"], missing)).rejects.toMatchObject({
    code: "USAGE",
    message:
      "--queue needs the packages bullmq and ioredis, which if-gen does not bring along; install them beside it: npm install bullmq ioredis (with -g, if if-gen was installed so).",
  });
  await expect(loadOptional("--upload-to", ["@aws-sdk/client-s3"], missing)).rejects.toMatchObject({
    message:
      "--upload-to needs the package @aws-sdk/client-s3, which if-gen does not bring along; install it beside it: npm install @aws-sdk/client-s3 (with -g, if if-gen was installed so).",
  });
});

test("another failure stays what it is, and what loads is returned", async () => {
  const broken = new Error("broken");
  await expect(loadOptional("--queue", ["bullmq"], () => Promise.reject(broken))).rejects.toBe(broken);
  expect(await loadOptional("--queue", ["bullmq"], () => Promise.resolve(7))).toBe(7);
});
