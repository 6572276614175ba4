/**
 * @module pipelines/denoise-in-threads
 * `denoise` with the steps taken in other threads: this one only joins what they ask into one call of the network. Images of a
 * batch do not know of each other, so each generator's images are a share of their own, and every number is the same.
 */

import type { Generator } from "../math/random.ts";
import { type Numbers, type NumbersConstructor, elementCount, type Tensor } from "../math/tensor.ts";
import { sliceBatch } from "../math/layout.ts";
import { textsPerImage } from "../plan/plan.ts";
import { type DenoiseOptions, type Predict, denoise } from "./denoise.ts";
import { guidanceOf } from "./guidance.ts";
import { modelInput } from "./model-input.ts";
import type { SchedulerSource, Share } from "./scheduling-messages.ts";
import type { ShareSteps } from "./scheduling-threads.ts";
import type { StepThreads } from "./step-threads.ts";

export interface ThreadedOptions extends DenoiseOptions, StepThreads {
  /** How `scheduler` was made. */
  readonly source: SchedulerSource;
  /** As `predict`, in float16, which the other threads convert from and to. Absent: they leave it to the network. */
  readonly predictHalves?: Predict<Uint16Array> | undefined;
}

type Resumable = Generator & { readonly loadState: (state: Uint8Array) => void };

/**
 * As denoise. The tensors of a step's event are copies.
 * @throws {StageError} a thread failed.
 */
export async function denoiseInThreads(threaded: ThreadedOptions): Promise<Tensor> {
  const { threads, noiseThread, source, predictHalves, ...options } = threaded;
  const generators = resumable(options.generator);
  const [batch = 0] = options.sample.shape;
  const size = batch / (generators?.length ?? 1);
  if (!threads && noiseThread && generators?.length === 1) {
    return denoise({ ...options, generator: noiseThread.drawAhead(generators[0]!) });
  }
  if (!threads || !generators || !Number.isInteger(size) || options.timesteps.length === 0) return denoise(options);
  const group = new SharedGroup(options.sample, predictHalves !== undefined);
  const shares = generators.map((generator, index) =>
    threads.start(shareOf(options, source, group, generator, [index * size, (index + 1) * size])),
  );
  if (predictHalves) await takeAllSteps(options, group, shares, predictHalves, Uint16Array);
  else await takeAllSteps(options, group, shares, options.predict, Float32Array);
  const states = await Promise.all(shares.map(async (share) => share.says()));
  await tell(options, group, options.timesteps.length);
  for (const [index, state] of states.entries()) {
    if (state.type === "ended") generators[index]!.loadState(state.generatorState);
  }
  return group.copy("sample");
}

/** @returns each generator once; undefined: one of them is there twice, or draws from more than a state tells. */
function resumable(generator: DenoiseOptions["generator"]): readonly Resumable[] | undefined {
  const all = [generator].flat() as readonly Generator[];
  if (new Set(all).size !== all.length) return undefined;
  const found = all.filter((one): one is Resumable => one.loadState !== undefined);
  return found.length === all.length ? found : undefined;
}

async function takeAllSteps<Data extends Numbers>(
  options: DenoiseOptions,
  group: SharedGroup,
  shares: readonly ShareSteps[],
  predict: Predict<Data>,
  Type: NumbersConstructor<Data>,
): Promise<void> {
  const { shape } = group;
  const join = modelInput(shape, options.conditioning, textsPerImage(options), Type);
  const scaled = new Type(group.shared.scaled);
  let answer: Data | undefined; // one for all steps
  for (const [step, timestep] of options.timesteps.entries()) {
    await Promise.all(shares.map(async (share) => share.says()));
    if (step > 0) await tell(options, group, step);
    const answered = await predict(join({ data: scaled, shape }), timestep, answer);
    answer = answered.data;
    const predicted = { data: group.predicted(answer), shape: answered.shape };
    for (const share of shares) share.answer(predicted);
  }
}

/** @param step how many are taken. */
async function tell({ onStep, timesteps }: DenoiseOptions, group: SharedGroup, step: number): Promise<void> {
  await onStep?.({
    step,
    steps: timesteps.length,
    timestep: timesteps[step - 1]!,
    get sample() {
      return group.copy("sample");
    },
    get predOriginalSample() {
      return group.copy("original");
    },
  });
}

function shareOf(
  options: DenoiseOptions,
  scheduler: SchedulerSource,
  { shape, shared, inHalves }: SharedGroup,
  generator: Generator,
  images: readonly [number, number],
): Share {
  const { timesteps, eta, mask } = options;
  const ofGroup = mask && (mask.shape[0] === shape[0] ? sliceBatch(mask, ...images) : mask);
  return {
    scheduler,
    timesteps,
    guidance: guidanceOf(options),
    eta,
    generatorState: generator.saveState(),
    images,
    shape,
    // a part's memory would be sent whole
    ...(ofGroup ? { mask: { data: ofGroup.data.slice(), shape: ofGroup.shape } } : {}),
    shared,
    inHalves,
  };
}

/** A group's tensors in memory that all threads see. */
class SharedGroup {
  readonly shape: readonly number[];
  readonly shared: Readonly<Record<"scaled" | "sample" | "original", SharedArrayBuffer>>;
  readonly inHalves: boolean;
  #predicted: Uint8Array<SharedArrayBuffer> | undefined;

  constructor({ data, shape }: Tensor, inHalves: boolean) {
    const memory = (bytes = 4): SharedArrayBuffer => new SharedArrayBuffer(bytes * elementCount(shape));
    this.shape = shape;
    this.inHalves = inHalves;
    this.shared = { scaled: memory(inHalves ? 2 : 4), sample: memory(), original: memory() };
    new Float32Array(this.shared.sample).set(data);
  }

  copy(name: "sample" | "original"): Tensor {
    return { data: new Float32Array(this.shared[name]).slice(), shape: this.shape };
  }

  /** @returns the network's answer where the threads see it. */
  predicted({ buffer, byteOffset, byteLength }: Numbers): SharedArrayBuffer {
    if (buffer instanceof SharedArrayBuffer) return buffer;
    this.#predicted ??= new Uint8Array(new SharedArrayBuffer(byteLength));
    this.#predicted.set(new Uint8Array(buffer, byteOffset, byteLength));
    return this.#predicted.buffer;
  }
}
