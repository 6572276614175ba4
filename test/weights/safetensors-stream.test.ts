import { readFileSync, readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensorsHeader, writeSafetensors } from "../../src/weights/safetensors.ts";
import { type TensorLayout, writeSafetensorsStream } from "../../src/weights/safetensors-stream.ts";
import { temporaryFolder } from "./files.ts";

const numbers = Float32Array.from({ length: 12 }, (_, at) => at);
const layouts = new Map<string, TensorLayout>([
  ["b", { dtype: "I8", shape: [3] }],
  ["a", { dtype: "F32", shape: [3, 4] }],
]);

function* produce(name: string): Iterable<Uint8Array> {
  if (name === "b") yield Uint8Array.of(1, 2, 3);
  else for (let at = 0; at < 12; at += 5) yield new Uint8Array(numbers.slice(at, at + 5).buffer);
}

test("in pieces gives the bytes that at once gives, and their checksum", async () => {
  const folder = await temporaryFolder();
  const [pieces, once] = [join(folder, "pieces"), join(folder, "once")];
  const written = await writeSafetensorsStream(pieces, layouts, produce, { checksum: true });
  await writeSafetensors(
    once,
    new Map([
      ["a", { dtype: "F32", shape: [3, 4], data: numbers }],
      ["b", { dtype: "I8", shape: [3], data: Int8Array.of(1, 2, 3) }],
    ]),
  );
  const bytes = readFileSync(pieces);
  expect(bytes.equals(readFileSync(once))).toBe(true);
  expect(written).toEqual({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
});

test("in the given order", async () => {
  const path = join(await temporaryFolder(), "given");
  await writeSafetensorsStream(path, layouts, produce, { order: "given" });
  const { tensors } = await readSafetensorsHeader(path);
  expect(tensors.get("b")?.offset).toBeLessThan(tensors.get("a")?.offset ?? 0);
});

test("appears whole or not at all", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "x");
  const short = writeSafetensorsStream(path, layouts, () => [Uint8Array.of(1)]);
  await expect(short).rejects.toThrow(/a: -47 bytes more/);
  await expect(writeSafetensorsStream(join(folder, "none", "x"), layouts, produce)).rejects.toMatchObject({
    code: "OUTPUT",
  });
  expect(readdirSync(folder)).toEqual([]);
});
