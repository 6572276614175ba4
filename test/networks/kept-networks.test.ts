import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { contentKey } from "../../src/networks/content-key.ts";
import { KeptNetworks } from "../../src/networks/kept-networks.ts";
import type { Run } from "../../src/runtime/session.ts";
import { GraphBuilder } from "../../src/onnx/graph.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

function networks() {
  const log: string[] = [];
  const run: Run = async () => new Map();
  const opener = (name: string) =>
    async function open<R>(use: (run: Run) => Promise<R>): Promise<R> {
      log.push(`open ${name}`);
      try {
        return await use(run);
      } finally {
        log.push(`close ${name}`);
      }
    };
  return { log, opener };
}

test("a network stays open, one for each name; another one is opened when the old one is closed", async () => {
  const { log, opener } = networks();
  const kept = new KeptNetworks();
  const use = (name: string, key: string): Promise<string> =>
    kept.use(name, key, opener(`${name} ${key}`), async () => `${name} ${key}`);
  expect(await use("UNet", "64")).toBe("UNet 64");
  await use("VAE", "64");
  await use("UNet", "64");
  expect(log).toEqual(["open UNet 64", "open VAE 64"]);
  await use("UNet", "96");
  expect(log).toEqual(["open UNet 64", "open VAE 64", "close UNet 64", "open UNet 96"]);
});

test("one that cannot be opened is not kept; one whose use fails is", async () => {
  const { log, opener } = networks();
  const kept = new KeptNetworks();
  const bad = async (): Promise<never> => Promise.reject(new Error("no weights"));
  await expect(kept.use("UNet", "1", bad, async () => 1)).rejects.toThrow("no weights");
  const failing = kept.use("UNet", "1", opener("UNet"), async () => Promise.reject(new Error("no number")));
  await expect(failing).rejects.toThrow("no number");
  expect(await kept.use("UNet", "1", opener("UNet"), async () => 2)).toBe(2);
  expect(log).toEqual(["open UNet"]);
});

test("the key tells graphs, settings and files of weights apart", async () => {
  const file = join(temporaryFolder(), "weights");
  writeFileSync(file, "1");
  const graph = (constant: number) => {
    const g = new GraphBuilder("g");
    g.output("y", g.constant(BigInt64Array.of(BigInt(constant)), [1]));
    return g.finish();
  };
  const keys = [
    await contentKey({ graph: graph(1), provider: "cpu" }, [file]),
    await contentKey({ graph: graph(2), provider: "cpu" }, [file]),
    await contentKey({ graph: graph(1), provider: "cuda" }, [file]),
    await contentKey({ graph: graph(1), provider: "cpu" }, []),
  ];
  expect(new Set(keys).size).toBe(4);
  expect(await contentKey({ graph: graph(1), provider: "cpu" }, [file])).toBe(keys[0]);
  writeFileSync(file, "22");
  expect(await contentKey({ graph: graph(1), provider: "cpu" }, [file])).not.toBe(keys[0]);
});
