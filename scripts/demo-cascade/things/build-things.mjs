/**
 * Writes what the demo cascade can draw beside shapes: things.json (names, synonyms) and sprites.bin (drawings).
 *
 *   npm install --prefix things
 *   node things/build-things.mjs things/node_modules things [side]
 *
 * sprites.bin: WebP files one after another; things.json says where each begins.  `side` (default 384) is in pixels.
 * chosen.json is the explicit list: keys of emojibase labels with their names in order of preference, and words no tag may take.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import sharp from "sharp";

const [packages, out, side = "384"] = process.argv.slice(2);
const chosen = JSON.parse(readFileSync(new URL("chosen.json", import.meta.url), "utf8"));
const read = (path) => JSON.parse(readFileSync(`${packages}/${path}`, "utf8"));
const sets = {
  flat: read("@iconify-json/fluent-emoji-flat/icons.json"),
  cartoon: read("@iconify-json/noto/icons.json"),
  line: read("@iconify-json/fluent-emoji-high-contrast/icons.json"),
};

/** The icon's drawing as SVG; throws where the set has none by that name. */
function svg(set, name) {
  const icon = set.icons[name] ?? set.icons[set.aliases?.[name]?.parent];
  if (!icon) throw new Error(`no icon ${name}`);
  const [w, h] = [icon.width ?? set.width ?? 16, icon.height ?? set.height ?? 16];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${side}" height="${side}" color="#000">${icon.body}</svg>`;
}

const things = [],
  files = [];
let at = 0;
for (const { key, names, more } of chosen.things) {
  const sprites = {};
  for (const [look, set] of Object.entries(sets)) {
    const file = await sharp(Buffer.from(svg(set, key)))
      .resize(+side, +side)
      .webp({ quality: 88, alphaQuality: 95, effort: 5 })
      .toBuffer();
    sprites[look] = [at, file.length];
    files.push(file);
    at += file.length;
  }
  things.push({ key, names, more, sprites });
}
mkdirSync(out, { recursive: true });
writeFileSync(`${out}/sprites.bin`, Buffer.concat(files));
writeFileSync(`${out}/things.json`, JSON.stringify({ side: +side, things }));
console.log(`${things.length} things, ${(at / 1e6).toFixed(1)} MB`);
