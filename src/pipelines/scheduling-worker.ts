/**
 * @module pipelines/scheduling-worker
 * A thread of scheduling-threads: takes the steps of shares of batches, several at a time, and asks for the network's answers.
 */

import { parentPort } from "node:worker_threads";
import { copyNumbers } from "../math/half.ts";
import { type Numbers, type NumbersConstructor, elementCount, type Tensor } from "../math/tensor.ts";
import { restoreGenerator } from "../math/random.ts";
import { openScheduler } from "../networks/open-scheduler.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";
import { takeSteps } from "./denoise.ts";
import type { FromThread, SchedulerSource, Share, ToThread } from "./scheduling-messages.ts";

type Predicted = Extract<ToThread, { type: "predicted" }>;

const port = parentPort;
if (!port) throw new Error("this is a thread's program");
const say = (message: FromThread): void => port.postMessage(message);

/** Who waits for the network's answer, by the share's number. */
const waiting = new Map<number, (predicted: Predicted) => void>();

port.on("message", (message: ToThread) => {
  if (message.type === "predicted") waiting.get(message.id)?.(message);
  else void run(message.id, message.share);
});

async function run(id: number, share: Share): Promise<void> {
  try {
    say({ type: "ended", id, generatorState: await draw(id, share) });
  } catch (error) {
    say({ type: "failed", id, message: error instanceof Error ? error.message : String(error) });
  }
}

/** @returns the state of the generator after the last step. */
async function draw(id: number, share: Share): Promise<Uint8Array> {
  const { shape, images, timesteps, guidance, eta, mask, shared, inHalves } = share;
  const [from, to] = images;
  const [batch = 0, ...image] = shape;
  const row = elementCount(image);
  const imagesIn = (memory: SharedArrayBuffer): Float32Array => new Float32Array(memory).subarray(from * row, to * row);
  const Exchanged: NumbersConstructor<Numbers> = inHalves ? Uint16Array : Float32Array;
  const [sample, original] = [imagesIn(shared.sample), imagesIn(shared.original)];
  const scaled = new Exchanged(shared.scaled).subarray(from * row, to * row);
  const generator = restoreGenerator(share.generatorState);
  await takeSteps(
    {
      scheduler: await openAt(share.scheduler),
      timesteps,
      sample: { data: sample.slice(), shape: [to - from, ...image] },
      ...(mask ? { mask } : {}),
      ...guidance,
      eta,
      generator,
      onStep: (event) => {
        sample.set(event.sample.data);
        original.set(event.predOriginalSample.data);
      },
    },
    async (input) => {
      copyNumbers(input.data, scaled);
      const answer = new Promise<Predicted>((resolve) => waiting.set(id, resolve));
      say({ type: "asks", id });
      const { data, shape: answered } = await answer;
      return rowsOf(new Exchanged(data), answered, batch, images);
    },
  );
  waiting.delete(id);
  return generator.saveState();
}

async function openAt({ checkpoint, override, selection, beginIndex }: SchedulerSource): Promise<Scheduler> {
  const scheduler = await openScheduler(checkpoint, "scheduler", override);
  scheduler.setTimesteps(selection);
  if (beginIndex !== undefined) scheduler.setBeginIndex(beginIndex);
  return scheduler;
}

/** Of each text's batch in (M·batch, ...) the images `from` up to `to`, as a tensor of this thread's own. */
function rowsOf(
  all: Numbers,
  [rows = 0, ...image]: readonly number[],
  batch: number,
  [from, to]: Share["images"],
): Tensor {
  const row = elementCount(image);
  const [texts, images] = [rows / batch, to - from];
  const copied = new Float32Array(texts * images * row);
  for (let text = 0; text < texts; text++) {
    const start = text * batch + from;
    const place = copied.subarray(text * images * row, (text + 1) * images * row);
    copyNumbers(all.subarray(start * row, (start + images) * row), place);
  }
  return { data: copied, shape: [texts * images, ...image] };
}
