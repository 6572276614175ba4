import { expect, test } from "vitest";
import { isStoreAddress, parseStoreAddress } from "../../../src/run/store/store-address.ts";

test("a bucket, and a folder in it", () => {
  expect(parseStoreAddress("s3://my-images")).toEqual({ bucket: "my-images", prefix: "" });
  expect(parseStoreAddress("s3://my-images/")).toEqual({ bucket: "my-images", prefix: "" });
  expect(parseStoreAddress("s3://my.images/a/b/")).toEqual({ bucket: "my.images", prefix: "a/b/" });
});

test.each([
  "out",
  "/out",
  "s3:/bucket",
  "s3://",
  "s3://a",
  "s3://bucket//a",
  "s3://bucket/../a",
  "https://bucket/a",
  "s3://b ucket",
])("%s is none", (text) => {
  expect(isStoreAddress(text)).toBe(false);
  expect(() => parseStoreAddress(text)).toThrow("it must be such as s3://bucket/folder.");
});
