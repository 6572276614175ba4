/**
 * @module networks/open-network
 * Opens a described network, lets it run as often as is wanted, and gives everything back.
 */

import { type Tensor, elementCount } from "../math/tensor.ts";
import type { LowMemory } from "../plan/plan.ts";
import { withHoistedSession } from "../runtime/hoisted-session.ts";
import { type Feed, type Run, type SessionSettings, withSession } from "../runtime/session.ts";
import { contentKey } from "./content-key.ts";
import type { NetworkDescription } from "./description.ts";
import type { KeptNetworks } from "./kept-networks.ts";
import { inMicroBatches, withoutRepeats } from "./micro-batches.ts";
import { type WeightSettings, makeWeights } from "./network-weights.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { type PreparedNetwork, prepareNetwork } from "./prepare-network.ts";

/** How networks are opened, the same for all of a stage. */
export interface NetworkSettings
  extends WeightSettings, LowMemory, Pick<SessionSettings, "executionProvider" | "threads" | "deviceId"> {
  /** Called before weights are quantized, which takes minutes at full size. */
  readonly onQuantize?: () => void;
  /** Called before LoRAs are merged, which may take a minute at full size. */
  readonly onMerge?: () => void;
  /** Shall images be passed on in float16, if it is computed in (`Network.inHalves`)? @default false */
  readonly narrowsImages?: boolean;
  /** Where networks stay open after their use. Absent: they are closed. */
  readonly kept?: KeptNetworks;
}

/** Runs a network that has one output. @param into where that is to lie. */
type Predict<Data extends Float32Array | Uint16Array> = (
  feeds: Readonly<Record<string, Feed>>,
  into?: Data,
) => Promise<Tensor<Data>>;

export interface Network extends Predict<Float32Array> {
  /** The same with images and output in float16; what it returns lies in memory that threads share. Absent: they are float32. */
  readonly inHalves?: Predict<Uint16Array>;
}

/** As withNetworkOutputs, for a network that has one output. */
export function withNetwork<T>(
  description: NetworkDescription,
  settings: NetworkSettings,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  return withNetworkOutputs(description, settings, (run, { graph, microBatches, lowering }) => {
    const predict: Network = async (feeds, into) => {
      const [result] = (await run(feeds, into)).values();
      if (!result) throw new Error(`${description.folder}: the network has no output`);
      return result;
    };
    if (!lowering.narrowsImages) return use(predict);
    const [samples = 0, ...sides] = graph.outputs[0]?.shape ?? [];
    const shape = [microBatches * samples, ...sides];
    const sharedHalves = (): Uint16Array => new Uint16Array(new SharedArrayBuffer(2 * elementCount(shape)));
    const inHalves: Network["inHalves"] = async (feeds, into = sharedHalves()) => {
      await run(feeds, into);
      return { data: into, shape };
    };
    return use(Object.assign(predict, { inHalves }));
  });
}

/**
 * @throws {CheckpointError} the checkpoint lacks weights, or they do not belong to the network.
 * @throws {StageError} a GPU cannot load or run it, or produces NaN or infinity.
 */
export async function withNetworkOutputs<T>(
  description: NetworkDescription,
  settings: NetworkSettings,
  use: (run: Run, prepared: PreparedNetwork) => Promise<T>,
): Promise<T> {
  const { executionProvider: provider, threads, deviceId, microBatch, tileBytes, kept, narrowsImages } = settings;
  const weights = await makeWeights(description, settings, settings);
  const lowMemory = { ...(microBatch ? { microBatch } : {}), ...(tileBytes ? { tileBytes } : {}) };
  const prepared = prepareNetwork(description, weights, { provider, ...lowMemory, narrowsImages });
  const { graph, parts, microBatches, tiled, keepBuffers, lowering, weightMode } = prepared;
  const session: SessionSettings = {
    executionProvider: provider,
    ...lowering,
    weightMode,
    keepBuffers,
    inOrder: tiled,
    ...(threads ? { threads } : {}),
    ...(deviceId === undefined ? {} : { deviceId }),
  };
  const open = <R>(useOpened: (run: Run) => Promise<R>): Promise<R> => {
    const useAll = (run: Run): Promise<R> =>
      useOpened(oneAtATime(inMicroBatches(withoutRepeats(run, graph), microBatches)));
    if (!parts) return withSession(graph, weights, session, useAll);
    return withHoistedSession(parts, microBatches, weights, session, useAll);
  };
  const usePrepared = (run: Run): Promise<T> => use(run, prepared);
  if (!kept) return open(usePrepared);
  const key = await contentKey({ graph, parts, microBatches, session, variant: weights.variant }, weights.files);
  return kept.use(description.name, key, open, usePrepared);
}
