/**
 * @module models/rrdbnet-names
 * The names that an RRDBNet's tensors have in files, of three generations of programs, as one: BasicSR's.
 *
 *   BasicSR, Real-ESRGAN      body.4.rdb1.conv2.weight           conv_body   conv_up1   conv_hr
 *   the first ESRGAN          RRDB_trunk.4.RDB1.conv2.weight     trunk_conv  upconv1    HRconv
 *   older, and many users'    model.1.sub.4.RDB1.conv2.0.weight  model.1.sub.23  model.3  model.8
 */

/** Of checkpoints that hold more than the network: what training averages goes first. */
const prefixes = ["params_ema.", "params.", "module.", ""];

type Rename = (name: string) => string;

interface Layout {
  /** The tensor by which it is told. */
  readonly sign: string;
  readonly renamer: (names: readonly string[]) => Rename;
}

const layouts: readonly Layout[] = [
  { sign: "body.0.rdb1.conv1.weight", renamer: () => (name) => name },
  { sign: "RRDB_trunk.0.RDB1.conv1.weight", renamer: () => fromFirst },
  { sign: "model.1.sub.0.RDB1.conv1.0.weight", renamer: fromSequence },
];

/** @returns BasicSR's name of each tensor of the network, by its name in the file; undefined: it is no RRDBNet. */
export function rrdbNetNames(names: readonly string[]): ReadonlyMap<string, string> | undefined {
  for (const prefix of prefixes) {
    const unprefixed = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    const layout = layouts.find(({ sign }) => unprefixed.includes(sign));
    if (!layout) continue;
    const rename = layout.renamer(unprefixed);
    return new Map(unprefixed.map((name) => [prefix + name, rename(name)]));
  }
  return undefined;
}

const fromFirst: Rename = (name) =>
  name
    .replace(/^RRDB_trunk\.(\d+)\.RDB/, "body.$1.rdb")
    .replace(/^trunk_conv\./, "conv_body.")
    .replace(/^upconv(\d+)\./, "conv_up$1.")
    .replace(/^HRconv\./, "conv_hr.");

/** Layers are counted, those without weights too: what a number is follows from which there are. */
function fromSequence(names: readonly string[]): Rename {
  const places = names.flatMap((name) => /^model\.(\d+)\.weight$/.exec(name)?.[1] ?? []).map(Number);
  const [first, ...later] = places.toSorted((a, b) => a - b);
  const [last, hr, ...ups] = later.toReversed();
  const layers = new Map<string, string>();
  const set = (place: number | undefined, name: string): unknown => layers.set(`model.${place}`, name);
  set(first, "conv_first");
  set(last, "conv_last");
  set(hr, "conv_hr");
  for (const [index, place] of ups.toReversed().entries()) set(place, `conv_up${index + 1}`);
  return (name) =>
    name
      .replace(/^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\./, "body.$1.rdb$2.conv$3.")
      .replace(/^model\.1\.sub\.\d+\.(?=(weight|bias)$)/, "conv_body.")
      .replace(/^model\.\d+(?=\.(weight|bias)$)/, (layer) => layers.get(layer) ?? layer);
}
