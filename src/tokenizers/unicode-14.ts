/**
 * @module tokenizers/unicode-14
 * Code points that were still unassigned in Unicode 14, which the reference (Python 3.11) knows, but are not in the
 * Unicode of newer Node versions. Ids would otherwise depend on the Node version: CLIP drops unassigned characters.
 * Source: DerivedAge.txt of the Unicode Character Database 17; ranges reach over what is unassigned there too.
 */

const ranges = `
  88f 892-897 c5b-c5c cd7-cdc cf3-cff ece-ecf 1acf-1aff 1b4d-1b4f 1b7f 1c89-1c8f 20c1-20cf 2427-243f 2b96
  2ffc-2fff 31e4-31ef a7cb-a7cf a7d2 a7d4 a7da-a7f1 fbc3-fbd2 fd90-fd91 fdc8-fdce 105bd-105ff 10940-1097f
  10d3a-10e5f 10eb2-10eff 1123f-1127f 11375-113ff 116ca-116ff 11af9-11bff 11daa-11edf 11ef9-11faf 1342f
  13439-143ff 14647-167ff 16b90-16e3f 16e9b-16eff 16ff2-16fff 187f8-187ff 18cd6-18cff 18d09-1afef 1b123-1b14f
  1b153-1b163 1bca4-1ceff 1d246-1d2df 1df1f-1dfff 1e02b-1e0ff 1e300-1e7df 1f6d8-1f6dc 1f774-1f77f 1f7d9-1f7df
  1f8b2-1f8ff 1fa54-1fa5f 1fa75-1fa77 1fa87-1fa8f 1faad-1faaf 1fabb-1fabf 1fac6-1facf 1fada-1fadf 1fae8-1faef
  1faf7-1faff 1fbcb-1fbef 1fbfa-1ffff 2b739-2b73f 2cea2-2ceaf 2ebe1-2f7ff 3134b-e0000
`;

/** For use inside the [] of a regular expression with flag u. */
export const unassignedInUnicode14: string = ranges
  .trim()
  .split(/\s+/u)
  .map((range) =>
    range
      .split("-")
      .map((hex) => `\\u{${hex}}`)
      .join("-"),
  )
  .join("");
