/**
 * @module math/mersenne-twister
 * mt19937 and the uniform numbers torch makes of its words.
 * Source: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998; seeding of 2002.
 */

/** Words of state, the paper's n. */
export const stateWords = 624;
/** The paper's m. */
const middle = 397;

export interface TwisterState {
  readonly words: Uint32Array;
  /** How many of the words were handed out, 0 to 624. */
  readonly position: number;
}

export interface Twister {
  /** @returns a number in [0, 1) with 53 random bits: two words, the upper half first. */
  nextDouble(): number;
  /** Fills data[start, end) with numbers in [0, 1) with 24 random bits: one word each. */
  fillFloats(data: Float32Array, start: number, end: number): void;
  /** @returns a copy. */
  state(): TwisterState;
}

/** @param from a seed in [0, 2^32), or the state to go on from. */
export function createTwister(from: number | TwisterState): Twister {
  const words = typeof from === "number" ? seedWords(from) : Uint32Array.from(from.words);
  let position = typeof from === "number" ? stateWords : from.position;

  function next(): number {
    if (position === stateWords) {
      renew(words);
      position = 0;
    }
    return temper(words[position++]!);
  }

  return {
    nextDouble() {
      const upper = next() & 0x1fffff; // 53 - 32 = 21 bits
      const lower = next() >>> 0;
      return (upper * 2 ** 32 + lower) * 2 ** -53;
    },
    fillFloats(data, start, end) {
      let i = start;
      while (i < end) {
        if (position === stateWords) {
          renew(words);
          position = 0;
        }
        const run = Math.min(end - i, stateWords - position);
        for (let k = 0; k < run; k++) data[i + k] = (temper(words[position + k]!) & 0xffffff) * 2 ** -24;
        i += run;
        position += run;
      }
    },
    state: () => ({ words: Uint32Array.from(words), position }),
  };
}

function seedWords(seed: number): Uint32Array {
  const words = new Uint32Array(stateWords);
  words[0] = seed;
  for (let i = 1; i < stateWords; i++) {
    const previous = words[i - 1]!;
    words[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
  }
  return words;
}

/** The next 624 words, in place. */
function renew(words: Uint32Array): void {
  let i = 0;
  for (; i < stateWords - middle; i++) words[i] = words[i + middle]! ^ twist(words[i]!, words[i + 1]!);
  for (; i < stateWords - 1; i++) words[i] = words[i + middle - stateWords]! ^ twist(words[i]!, words[i + 1]!);
  words[i] = words[middle - 1]! ^ twist(words[i]!, words[0]!);
}

function twist(word: number, following: number): number {
  const joined = (word & 0x80000000) | (following & 0x7fffffff);
  return (joined >>> 1) ^ (-(joined & 1) & 0x9908b0df);
}

function temper(word: number): number {
  let y = word ^ (word >>> 11);
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >>> 18);
}
