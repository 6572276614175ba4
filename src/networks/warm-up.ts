/**
 * @module networks/warm-up
 * A first run whose result nobody needs: on a GPU it chooses the kernels and takes the buffers.
 */

import { elementCount } from "../math/tensor.ts";
import type { NetworkDescription } from "./description.ts";
import type { Network } from "./open-network.ts";

export async function warmUp(network: Network, { build, batch }: NetworkDescription): Promise<void> {
  const feeds = build(batch).inputs.map(({ name, shape, dtype }) => {
    const length = batch * elementCount(shape.slice(1)); // inputs that repeat within the batch are fed whole
    return [name, dtype === "int64" ? new BigInt64Array(length) : new Float32Array(length)] as const;
  });
  await network(Object.fromEntries(feeds));
}
