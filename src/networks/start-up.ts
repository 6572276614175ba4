/**
 * @module networks/start-up
 * What a stage does once its network is open: it says so, and may run it once. On a GPU the first run chooses the kernels and takes
 * the buffers.
 */

import { elementCount } from "../math/tensor.ts";
import type { NetworkDescription } from "./description.ts";
import type { Network } from "./open-network.ts";

export interface StartUp {
  /** Run the network once on zeros, before it is used. @default false */
  readonly warmUp?: boolean;
  /** Called when the weights are there, before that run; awaited, since a run blocks this thread. */
  readonly onLoaded?: (() => Promise<void>) | undefined;
}

export async function startUp(
  network: Network,
  description: NetworkDescription,
  { warmUp = false, onLoaded }: StartUp,
): Promise<void> {
  await onLoaded?.();
  if (warmUp) await runOnZeros(network, description);
}

async function runOnZeros(network: Network, { build, batch }: NetworkDescription): Promise<void> {
  const feeds = build(batch).inputs.map(({ name, shape, dtype }) => {
    const length = batch * elementCount(shape.slice(1)); // inputs that repeat within the batch are fed whole
    return [name, dtype === "int64" ? new BigInt64Array(length) : new Float32Array(length)] as const;
  });
  await network(Object.fromEntries(feeds));
}
