/**
 * @module tokenizers/spiece-model
 * Reads spiece.model, SentencePiece's protobuf. Only the fields that encoding needs; unknown ones are skipped.
 * Source: field numbers and defaults of sentencepiece_model.proto (SentencePiece 0.2), the checks its loader makes.
 */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { CheckpointError } from "../errors.ts";

type PieceType = "normal" | "unknown" | "control" | "user-defined" | "unused" | "byte";

interface Piece {
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
}

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
  if (model.pieces.length === 0) fail("it holds no pieces");
  if (model.modelType !== unigram) fail("it is not a unigram model");
  if (model.unknownId < 0) fail("it has no unknown piece");
  if (model.pieces.some((piece) => piece.text === "")) fail("it has an empty piece");
  if (model.byteFallback && model.pieces.filter((piece) => piece.type === "byte").length !== 256) {
    fail("it falls back to bytes but has not 256 byte pieces");
  }
  return model;
}

function readModel(bytes: Uint8Array): SpieceModel & { modelType: number } {
  const pieces: Piece[] = [];
  let trainer = { modelType: unigram, spaceAsSuffix: false, byteFallback: false };
  let normalizer = readNormalizer(new Uint8Array());
  readFields(bytes, {
    1: (reader) => pieces.push(readPiece(reader.bytes())),
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
  const spec = { charsMap: new Uint8Array(), addDummyPrefix: true, removeExtraSpaces: true, escapeSpaces: true };
  readFields(bytes, {
    2: (reader) => (spec.charsMap = parseCharsMap(reader.bytes())),
    3: (reader) => (spec.addDummyPrefix = reader.bool()),
    4: (reader) => (spec.removeExtraSpaces = reader.bool()),
    5: (reader) => (spec.escapeSpaces = reader.bool()),
  });
  return spec;
}

/** The map is: bytes of the trie (uint32), the trie, the normalized strings. */
function parseCharsMap(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes); // aligned, for a Uint32Array over it
  if (copy.length === 0) return copy;
  const trieBytes = new DataView(copy.buffer).getUint32(0, true);
  if (trieBytes % 4 !== 0 || 4 + trieBytes >= copy.length) throw new RangeError("the characters map is damaged");
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
