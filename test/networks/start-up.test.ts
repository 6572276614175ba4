/** What a stage does once its network is open. */

import { expect, test } from "vitest";
import type { NetworkDescription } from "../../src/networks/description.ts";
import type { Network } from "../../src/networks/open-network.ts";
import { startUp } from "../../src/networks/start-up.ts";
import type { Feed } from "../../src/runtime/session.ts";

const description = {
  batch: 4,
  build: () => ({
    inputs: [
      { name: "sample", shape: [2, 3, 8, 8], dtype: "float32" },
      { name: "class_labels", shape: [2], dtype: "int64" },
    ],
  }),
} as unknown as NetworkDescription;

test.each([
  ["says so before its first run, which blocks the thread", true, ["told", "loaded", "run"]],
  ["says so, and is not run unasked", undefined, ["told", "loaded"]],
])("a network that is loaded %s", async (_, warmUp, expected) => {
  const happened: string[] = [];
  const fed: Readonly<Record<string, Feed>>[] = [];
  const network = ((feeds) => {
    happened.push("run");
    fed.push(feeds);
    return Promise.resolve({ data: new Float32Array(), shape: [] });
  }) as Network;
  await startUp(network, description, {
    ...(warmUp === undefined ? {} : { warmUp }),
    onLoaded: async () => {
      happened.push("told");
      await new Promise(setImmediate); // as long as the message takes
      happened.push("loaded");
    },
  });
  expect(happened).toEqual(expected);
  for (const { sample, class_labels } of fed) {
    expect(sample).toEqual(new Float32Array(4 * 3 * 8 * 8));
    expect(class_labels).toEqual(new BigInt64Array(4));
  }
});
