/**
 * @module tokenizers/spiece-model
 * Reads spiece.model, SentencePiece's protobuf. Only the fields that encoding needs; unknown ones are skipped.
 * Source: field numbers and defaults of sentencepiece_model.proto (SentencePiece 0.2), the checks its loader makes.
 */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { CheckpointError } from "../errors.ts";

type PieceType = "normal" | "unknown" | "control" | "user-defined" | "unused" | "byte";

export interface Piece {
  readonly text: string;
  /** Log probability, a float32. */
  readonly score: number;
  readonly type: PieceType;
}

export interface SpieceModel {
  /** In order of their ids. */
  readonly pieces: readonly Piece[];
  readonly unknownId: number;
  /** Unknown characters become the pieces of their UTF-8 bytes. */
  readonly byteFallback: boolean;
  readonly spaceAsSuffix: boolean;
  readonly normalizer: NormalizerSpec;
}

interface NormalizerSpec {
  /** A double-array trie over UTF-8 and what it points into; empty: text is taken as it is. */
  readonly charsMap: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraSpaces: boolean;
  readonly escapeSpaces: boolean;
  /** Other white space than the space is one too, as in tokenizer.json's WhitespaceSplit. */
  readonly splitsWhiteSpace: boolean;
}

/** T5 has 32,000 pieces of at most 16 characters; the largest multilingual ones 256,000. */
export const maxPieces = 300_000;
const maxPieceLength = 256;
/** What a character may become. The longest that Unicode's NFKC gives has 33 bytes. */
const maxRuleBytes = 256;

const pieceTypes: readonly PieceType[] = ["normal", "unknown", "control", "user-defined", "unused", "byte"];
const unigram = 1;

/**
 * @param path only named in errors.
 * @throws {CheckpointError} not a SentencePiece model, a damaged one, or not of the unigram kind.
 */
export function parseSpieceModel(bytes: Uint8Array, path: string): SpieceModel {
  const fail = (why: string, cause?: unknown): never => {
    throw new CheckpointError(`${path} is not a usable SentencePiece model: ${why}; download it again.`, { cause });
  };
  let model: SpieceModel & { modelType: number };
  try {
    model = readModel(bytes);
  } catch (error) {
    return fail("its protobuf is damaged", error);
  }
  if (model.modelType !== unigram) fail("it is not a unigram model");
  const fault = spieceFault(model);
  return fault === undefined ? model : fail(fault);
}

/** @returns why no text can be cut with it, as the end of a sentence; undefined: it can. */
export function spieceFault({ pieces, unknownId, byteFallback }: SpieceModel): string | undefined {
  if (pieces.length === 0) return "it holds no pieces";
  if (pieces.length > maxPieces) return `it holds more than ${maxPieces} pieces`;
  if (unknownId < 0) return "it has no unknown piece";
  if (pieces.some((piece) => piece.text === "")) return "it has an empty piece";
  if (pieces.some((piece) => piece.text.length > maxPieceLength)) return "it has a piece that is no part of a word";
  if (byteFallback && pieces.filter((piece) => piece.type === "byte").length !== 256) {
    return "it falls back to bytes but has not 256 byte pieces";
  }
  return undefined;
}

function readModel(bytes: Uint8Array): SpieceModel & { modelType: number } {
  const pieces: Piece[] = [];
  let trainer = { modelType: unigram, spaceAsSuffix: false, byteFallback: false };
  let normalizer = readNormalizer(new Uint8Array());
  readFields(bytes, {
    1: (reader) => {
      if (pieces.push(readPiece(reader.bytes())) > maxPieces) throw new RangeError("too many pieces");
    },
    2: (reader) => (trainer = readTrainer(reader.bytes())),
    3: (reader) => (normalizer = readNormalizer(reader.bytes())),
  });
  return { pieces, unknownId: pieces.findIndex((piece) => piece.type === "unknown"), normalizer, ...trainer };
}

function readPiece(bytes: Uint8Array): Piece {
  const piece = { text: "", score: 0, type: "normal" as PieceType };
  readFields(bytes, {
    1: (reader) => (piece.text = reader.string(true)),
    2: (reader) => (piece.score = reader.float()),
    3: (reader) => (piece.type = pieceTypes[reader.uint32() - 1] ?? "unused"),
  });
  return piece;
}

function readTrainer(bytes: Uint8Array): { modelType: number; spaceAsSuffix: boolean; byteFallback: boolean } {
  const trainer = { modelType: unigram, spaceAsSuffix: false, byteFallback: false };
  readFields(bytes, {
    3: (reader) => (trainer.modelType = reader.uint32()),
    24: (reader) => (trainer.spaceAsSuffix = reader.bool()),
    35: (reader) => (trainer.byteFallback = reader.bool()),
  });
  return trainer;
}

function readNormalizer(bytes: Uint8Array): NormalizerSpec {
  const spec = {
    charsMap: new Uint8Array(),
    addDummyPrefix: true,
    removeExtraSpaces: true,
    escapeSpaces: true,
    splitsWhiteSpace: false,
  };
  readFields(bytes, {
    2: (reader) => (spec.charsMap = parseCharsMap(reader.bytes())),
    3: (reader) => (spec.addDummyPrefix = reader.bool()),
    4: (reader) => (spec.removeExtraSpaces = reader.bool()),
    5: (reader) => (spec.escapeSpaces = reader.bool()),
  });
  return spec;
}

/**
 * The map is: bytes of the trie (uint32), the trie, the normalized strings, each with a null behind.
 * @throws {RangeError} it is damaged, or maps a character to a whole text.
 */
export function parseCharsMap(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes); // aligned, for a Uint32Array over it
  if (copy.length === 0) return copy;
  const trieBytes = new DataView(copy.buffer).getUint32(0, true);
  if (trieBytes % 4 !== 0 || 4 + trieBytes >= copy.length) throw new RangeError("the characters map is damaged");
  for (let start = 4 + trieBytes; start < copy.length;) {
    const end = copy.indexOf(0, start);
    if ((end < 0 ? copy.length : end) - start > maxRuleBytes)
      throw new RangeError("a rule of the characters map is too long");
    start = end < 0 ? copy.length : end + 1;
  }
  return copy;
}

type FieldReaders = Readonly<Record<number, (reader: BinaryReader) => unknown>>;

function readFields(bytes: Uint8Array, readers: FieldReaders): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const read = readers[field];
    if (read === undefined || wireType === WireType.StartGroup) reader.skip(wireType, field);
    else read(reader);
  }
  if (reader.pos > reader.len) throw new RangeError("the message is cut short");
}
