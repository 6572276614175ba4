/**
 * Writes checkpoints of published shape with random weights, so that full size can be run without the weights.
 *
 *   npx tsc -p scripts/tsconfig.json
 *   node build/scripts/synthesize/checkpoint.js NAME TARGET [--variant fp32|fp16|8bit] [--only COMPONENT] [--text-bits 8]
 *     [--outliers 20]
 *
 * NAME is a published repository (see `repositories`), or a component's config.json. A repository gets all its folders:
 * schedulers and tokenizers are the small test ones, which fit any network. --outliers: T5's norms make six channels so
 * many times as large.
 */

import { cp, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Variant } from "../../src/weights/variants.ts";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { writeComponent } from "./write-component.ts";

/** The repository's root, whether this runs from scripts/ or from build/scripts/. */
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, existsSync(join(here, "../../package.json")) ? "../.." : "../../..");
const golden = join(root, "test/golden");

/** Component -> its config among test/golden/configs; `like` holds what has no weights. */
const repositories: Readonly<Record<string, { like: string; components: Readonly<Record<string, string>> }>> = {
  "IF-I-XL-v1.0": {
    like: "if-i",
    components: { text_encoder: "IF-I-XL-v1.0.text_encoder", unet: "IF-I-XL-v1.0.unet" },
  },
  "IF-I-L-v1.0": {
    like: "if-i",
    components: { text_encoder: "IF-I-XL-v1.0.text_encoder", unet: "IF-I-L-v1.0.unet" },
  },
  "IF-I-M-v1.0": {
    like: "if-i",
    components: { text_encoder: "IF-I-XL-v1.0.text_encoder", unet: "IF-I-M-v1.0.unet" },
  },
  "IF-II-L-v1.0": { like: "if-ii", components: { unet: "IF-II-L-v1.0.unet" } },
  "IF-II-M-v1.0": { like: "if-ii", components: { unet: "IF-II-M-v1.0.unet" } },
  "x4-upscaler": {
    like: "x4-upscaler",
    components: { text_encoder: "x4-upscaler.text_encoder", unet: "x4-upscaler.unet", vae: "x4-upscaler.vae" },
  },
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      variant: { type: "string", default: "fp16" },
      only: { type: "string" },
      "text-bits": { type: "string" },
      outliers: { type: "string", default: "1" },
    },
  });
  const [name, target] = positionals;
  if (name === undefined || target === undefined) {
    throw new Error(`give a NAME (${Object.keys(repositories).join(", ")} or a config.json) and a TARGET folder`);
  }
  const variant = values.variant as Variant;
  const outliers = Number(values.outliers);
  const repository = repositories[name];
  if (!repository) {
    return report(name, await timed(() => writeComponent(resolve(name), resolve(target), variant, { outliers })));
  }
  await mkdir(target, { recursive: true });
  await cp(join(golden, "checkpoints", repository.like), target, {
    recursive: true,
    filter: (path) => !/(text_encoder|unet|vae|safety_checker)$/.test(path),
  });
  for (const [component, config] of Object.entries(repository.components)) {
    if (values.only !== undefined && values.only !== component) continue;
    const componentVariant = component === "text_encoder" && values["text-bits"] === "8" ? "8bit" : variant;
    const written = await timed(() =>
      withConfig(config, (path) => writeComponent(path, join(target, component), componentVariant, { outliers })),
    );
    report(`${name}/${component} ${componentVariant}`, written);
  }
}

/** The published configs lie side by side under names of their own; a component's is called config.json. */
async function withConfig<T>(config: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "synthesize-"));
  try {
    cpSync(join(golden, "configs", `${config}.config.json`), join(folder, "config.json"));
    return await use(join(folder, "config.json"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function timed<T>(work: () => Promise<T>): Promise<T & { seconds: number }> {
  const start = performance.now();
  return { ...(await work()), seconds: (performance.now() - start) / 1000 };
}

function report(name: string, written: { parameters: number; bytes: number; seconds: number }): void {
  const { parameters, bytes, seconds } = written;
  const speed = Math.round(bytes / 1e6 / seconds);
  console.log(`${name}: ${parameters} parameters, ${bytes} bytes in ${seconds.toFixed(1)} s, ${speed} MB/s`);
}

await main();
