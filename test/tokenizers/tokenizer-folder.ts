/** Tokenizer folders for tests: copies of the golden ones with changes, and small spiece.model files of one's own. */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { goldenPath } from "../golden.ts";

/** @returns a folder that lives as long as the test: the golden one's files, then `changes` (null removes a file). */
export function tokenizerFolder(
  golden: "if-i" | "x4-upscaler" | undefined,
  changes: Readonly<Record<string, string | Uint8Array | null>>,
): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-tokenizer-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  if (golden !== undefined) cpSync(goldenPath("checkpoints", golden, "tokenizer"), folder, { recursive: true });
  for (const [name, content] of Object.entries(changes)) {
    rmSync(join(folder, name), { force: true });
    if (content !== null) writeFileSync(join(folder, name), content);
  }
  return folder;
}

export type PieceKind = 1 | 2 | 3 | 4 | 5 | 6;
/** Numbers of sentencepiece_model.proto. */
export const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface SpieceSettings {
  modelType?: number;
  byteFallback?: boolean;
  spaceAsSuffix?: boolean;
  addDummyPrefix?: boolean;
  removeExtraSpaces?: boolean;
}

export function writeSpieceModel(
  pieces: readonly (readonly [text: string, score: number, kind: PieceKind])[],
  settings: SpieceSettings = {},
): Uint8Array {
  const writer = new BinaryWriter();
  for (const [text, score, kind] of pieces) {
    writer.uint32((1 << 3) | 2).fork().uint32((1 << 3) | 2).string(text); // prettier-ignore
    writer.uint32((2 << 3) | 5).float(score).uint32(3 << 3).uint32(kind).join(); // prettier-ignore
  }
  writer.uint32((2 << 3) | 2).fork(); // prettier-ignore
  writer.uint32(3 << 3).uint32(settings.modelType ?? 1);
  writer.uint32(24 << 3).bool(settings.spaceAsSuffix ?? false);
  writer.uint32(35 << 3).bool(settings.byteFallback ?? false).join(); // prettier-ignore
  writer.uint32((3 << 3) | 2).fork(); // prettier-ignore
  writer.uint32(3 << 3).bool(settings.addDummyPrefix ?? true);
  writer.uint32(4 << 3).bool(settings.removeExtraSpaces ?? true).join(); // prettier-ignore
  return writer.finish();
}
