/** How near two sets of embeddings are. */

export interface Similarity {
  /** Over all tokens, padding too: the UNets see it. */
  readonly all: number;
  /** Of the word that came out worst; padding left out. */
  readonly worst: number;
  /** Text by text, over all its tokens. */
  readonly texts: readonly number[];
}

/**
 * @param exact (B, L, D).
 * @param other (B, L, D).
 * @param words how many of each text's L tokens are no padding.
 */
export function compareEmbeds(
  exact: Float32Array,
  other: Float32Array,
  words: readonly number[],
  length = 77,
): Similarity {
  const text = exact.length / words.length;
  const width = text / length;
  const part = (from: number, count: number): number =>
    cosine(exact.subarray(from, from + count), other.subarray(from, from + count));
  const each = words.flatMap((count, at) =>
    Array.from({ length: count }, (_, word) => part(at * text + word * width, width)),
  );
  return { all: part(0, exact.length), worst: Math.min(...each), texts: words.map((_, at) => part(at * text, text)) };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] ?? NaN, b[at] ?? NaN];
    [dot, aa, bb] = [dot + x * y, aa + x * x, bb + y * y];
  }
  return dot / Math.sqrt(aa * bb);
}
