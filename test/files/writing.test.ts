import { expect, test } from "vitest";
import { OutputError, UsageError } from "../../src/errors.ts";
import { writing } from "../../src/files/writing.ts";

test("what the system refuses is a sentence; what is one stays as it is; a result comes back", async () => {
  const full = Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
  const refused = writing("the folder /x", () => Promise.reject(full));
  await expect(refused).rejects.toThrow(OutputError);
  await expect(refused).rejects.toThrow(/^the folder \/x cannot be written to: the disk is full; /);
  await expect(refused).rejects.toMatchObject({ cause: full });
  const usageError = new UsageError("no");
  await expect(writing("x", () => Promise.reject(usageError))).rejects.toBe(usageError);
  expect(await writing("x", () => Promise.resolve(7))).toBe(7);
});
