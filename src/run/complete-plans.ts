/**
 * @module run/complete-plans
 * Requests -> plans with every decision made. This is the one place where a plan is put together: the model is found, its
 * checkpoints read, start images looked at, the stages planned and their files checked, then placed on a device and fitted into memory, in this order.
 */

import { loraCache, textEncoderCache, unetCache } from "../catalog/derived-caches.ts";
import { IfGenError, InputImageError, UsageError } from "../errors.ts";
import { inspectImage } from "../executor/inspect-image.ts";
import { type ReadGpus, askNvidiaGpus } from "../executor/probe.ts";
import { lostNote } from "../machine/folders.ts";
import { readHardware } from "../machine/hardware.ts";
import { hasNvidiaDevice } from "../machine/nvidia.ts";
import { providers } from "../onnx/lower/providers.ts";
import { describeUnknown, findUnknown, readKnownWords } from "../plan/known-words.ts";
import { describeLeftOut, findLeftOut } from "../plan/left-out.ts";
import { makePlan } from "../plan/make-plan.ts";
import type { Model } from "../plan/model.ts";
import { imageCount, negativePromptsOf, promptsOf } from "../plan/prompts.ts";
import type { ProviderChoice, TextEncoderChoice, UnetChoice } from "../plan/plan.ts";
import { gpuStagesOf } from "../plan/provider.ts";
import { type Checkpoints, readCheckpoints } from "../plan/read-checkpoints.ts";
import { type Request, stageMask } from "../plan/request.ts";
import type { Size } from "../plan/stage-size.ts";
import { applyLoras } from "./apply-loras.ts";
import { checkCaches } from "./check-cache.ts";
import { checkEmbeds } from "./check-embeds.ts";
import { checkFiles } from "./check-files.ts";
import { TEXT_LENGTH } from "../networks/description.ts";
import { openT5Tokenizer } from "../networks/open-tokenizer.ts";
import { checkPromptLength } from "../tokenizers/prompt-length.ts";
import { checkPromptWeights } from "../tokenizers/prompt-weights.ts";
import { splitText } from "../tokenizers/split-text.ts";
import { chooseProvider } from "./choose-provider.ts";
import { findRequestedModel } from "./find-requested-model.ts";
import { type FittedPlan, fitMemory } from "./fit-memory.ts";
import { groupBy, settingsKey } from "./group-requests.ts";
import { thisMachine } from "./machine-probes.ts";
import type { RunSettings } from "./settings.ts";

export interface CompletePlan extends FittedPlan {
  /** Which requests its jobs are, by their place. */
  readonly jobs: readonly number[];
  /** The requests themselves. */
  readonly requests: readonly Request[];
}

/**
 * @returns one plan for all requests that share their settings and the size of what they draw. What it may throw is told to
 * `onFailed` instead, if that is given.
 * @throws {CheckpointError} a checkpoint is missing or not understood.
 * @throws {InputImageError} a start image or its mask cannot be used.
 * @throws {UsageError} a setting that no stage takes.
 * @throws {IfGenError} PROVIDER: the execution provider that is named does not work here.
 */
export async function completePlans(requests: readonly Request[], settings: RunSettings): Promise<CompletePlan[]> {
  const planned = new AbortController();
  const readGpus = mayTakeNvidia(requests) ? askNvidiaGpus(planned.signal) : undefined;
  try {
    return await plansFor(requests, settings, readGpus);
  } finally {
    planned.abort();
  }
}

async function plansFor(
  requests: readonly Request[],
  settings: RunSettings,
  readGpus: ReadGpus | undefined,
): Promise<CompletePlan[]> {
  const numbered: { request: Request; job: number }[] = [];
  for (const [job, request] of requests.entries()) {
    const one = { request, job };
    const checked = await attempt([one], settings, async () => textsOf(request).forEach(checkPrompt));
    if (checked) numbered.push(one);
  }
  const plans: CompletePlan[] = [];
  for (const group of groupBy(numbered, ({ request }) => settingsKey(request))) {
    await attempt(group, settings, async () => {
      const model = await findRequestedModel(group[0].request, settings);
      const checkpoints = await readCheckpoints(model, group[0].request);
      const inspected: InspectedRequest[] = [];
      for (const one of group) {
        await attempt([one], settings, async () => {
          const leftOut = await leftOutOf(one.request, checkpoints);
          const textParts = await countTextParts(one.request, checkpoints);
          inspected.push({ ...one, ...(await inspectStart(one.request, checkpoints, settings)), textParts, leftOut });
        });
      }
      const shapeOf = ({ image, lowResolution, textParts }: InspectedRequest): string =>
        JSON.stringify([image, lowResolution, textParts]);
      for (const sameSize of groupBy(inspected, shapeOf)) {
        await attempt(sameSize, settings, async () => {
          plans.push(await completePlan(sameSize, model, checkpoints, settings, readGpus));
        });
      }
    });
  }
  return plans;
}

/** Is there a GPU of NVIDIA's, and a request that does not name a provider without one? */
const mayTakeNvidia = (requests: readonly Request[]): boolean =>
  hasNvidiaDevice() && requests.some(({ executionProvider: name }) => name === "auto" || !providers[name].isCpu);

function checkPrompt(text: string): void {
  checkPromptLength(text);
  checkPromptWeights(text);
}

/** @returns false: it failed, and the jobs that it concerns were told so. */
async function attempt(
  concerned: readonly { readonly job: number }[],
  { onFailed, signal }: RunSettings,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!onFailed || !(error instanceof IfGenError) || signal?.aborted) throw error;
    for (const { job } of concerned) onFailed(job, error);
    return false;
  }
}

const textsOf = ({ positivePrompt = "", style = "", stages, ...request }: Request): string[] => [
  ...promptsOf(request),
  ...negativePromptsOf(request),
  positivePrompt,
  style,
  ...Object.values(stages).map((stage) => stage.negativePrompt ?? ""),
];

interface InspectedRequest {
  readonly request: Request;
  readonly job: number;
  /** The size of the image it starts from. */
  readonly image?: Size;
  /** The size of the image that it enlarges. */
  readonly lowResolution?: Size;
  /** Into how many parts of 77 tokens its longest text is cut. */
  readonly textParts: number;
  /** What cleaning takes out of its texts. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

/** Of `--long-prompt concat`. @throws {CheckpointError} T5's tokenizer cannot be read. */
async function countTextParts(request: Request, checkpoints: Checkpoints): Promise<number> {
  const { text: checkpoint } = checkpoints;
  if (request.promptEmbeds !== undefined) return checkEmbeds(request.promptEmbeds, request, checkpoints);
  if (request.longPrompt !== "concat" || checkpoint === undefined) return 1;
  const { preprocessCaption } = await import("../tokenizers/clean-caption.ts"); // its patterns take a while, and few need them
  const tokenizer = await openT5Tokenizer(checkpoint);
  const { cleanCaption } = request;
  const parts = textsOf(request).map(
    (text) => splitText(tokenizer, preprocessCaption(text, { cleanCaption }), TEXT_LENGTH).length,
  );
  return Math.max(...parts);
}

/** What is asked for and the model was not trained on, where it says what it was. */
async function unknownWords(requests: readonly Request[], name: string, { text }: Checkpoints): Promise<string[]> {
  const knownWords = text === undefined ? undefined : await readKnownWords(text);
  if (knownWords === undefined) return [];
  const prompts = requests.flatMap((request) => {
    const { positivePrompt = "", style = "" } = request;
    return [...promptsOf(request), positivePrompt, style];
  });
  return describeUnknown(name, findUnknown(prompts, knownWords), knownWords);
}

/** What T5 does not get to see of a request's texts. @throws {UsageError} one cannot be cleaned. */
async function leftOutOf(request: Request, { text }: Checkpoints): Promise<string[]> {
  const isCleaned = text !== undefined && request.cleanCaption && request.promptEmbeds === undefined;
  return isCleaned ? findLeftOut(textsOf(request)) : [];
}

async function inspectStart(
  request: Request,
  checkpoints: Checkpoints,
  { signal }: RunSettings,
): Promise<Pick<InspectedRequest, "image" | "lowResolution" | "notes">> {
  const started = await inspectStartImage(request, checkpoints, signal);
  const enlarged = await inspectLowResolution(request, signal);
  return { ...started, ...enlarged, notes: [...started.notes, ...enlarged.notes] };
}

/** @throws {InputImageError} it cannot be read, or holds another number of images than are drawn. */
async function inspectLowResolution(
  { lowResolution: image, ...request }: Request,
  signal: AbortSignal | undefined,
): Promise<Pick<InspectedRequest, "lowResolution" | "notes">> {
  if (image === undefined) return { notes: [] };
  const { notes, images, ...size } = await inspectImage({ image, stages: [] }, signal);
  const numImages = imageCount(request);
  if (images === 1 || images === numImages) return { lowResolution: size, notes };
  throw new InputImageError(`${image} holds ${images} images: give --num-images ${images}, or a file with one.`);
}

async function inspectStartImage(
  { start }: Request,
  { diffusion }: Checkpoints,
  signal: AbortSignal | undefined,
): Promise<Pick<InspectedRequest, "image" | "notes">> {
  if (!start) return { notes: [] };
  const { image, mask, stageMasks } = start;
  const stages = diffusion.flatMap(({ stage: { name, label, startStrengths }, grid }) => {
    const ownMask = stageMasks?.[name] === undefined ? undefined : stageMask(start, name);
    return grid && startStrengths ? [{ label, grid, ...(ownMask ? { mask: ownMask } : {}) }] : [];
  });
  const { notes, images: _, ...size } = await inspectImage({ image, ...(mask ? { mask } : {}), stages }, signal);
  const unused = Object.keys(stageMasks ?? {}).filter((name) => !diffusion.some(({ stage }) => stage.name === name));
  return {
    image: size,
    notes: [...notes, ...unused.map((name) => `The mask of ${name} has no effect: that stage does not draw.`)],
  };
}

async function completePlan(
  group: readonly [InspectedRequest, ...InspectedRequest[]],
  model: Model,
  checkpoints: Checkpoints,
  settings: RunSettings,
  readGpus: ReadGpus | undefined,
): Promise<CompletePlan> {
  const [{ request, image, lowResolution, textParts }] = group;
  const requests = group.map((one) => one.request) as [Request, ...Request[]];
  const planned = makePlan(requests, model, checkpoints, image, textParts, lowResolution);
  await checkFiles(planned);
  const changed = await applyLoras(planned, request.loras);
  const choose = settings.chooseProvider ?? chooseProvider;
  const provider = await choose(request.executionProvider, request.deviceId, thisMachine(readGpus));
  const smaller = smallerWeights(request);
  const notes = [
    ...new Set([
      ...group.flatMap((one) => one.notes),
      ...planned.notes,
      ...(await unknownWords(requests, model.name, checkpoints)),
      ...describeLeftOut([...new Set(group.flatMap((one) => one.leftOut))]),
      ...hardwareNotes(request, provider),
      ...cacheNotes(smaller, request),
    ]),
  ];
  const placed = {
    ...changed,
    ...smaller,
    provider,
    gpuStages: gpuStagesOf(planned.stages, provider, request.textEncoderDevice),
    notes,
  };
  await checkCaches(placed);
  const resumed = await settings.resumedLowMemory?.(requests);
  const fitted = await fitMemory(placed, settings.budgets, resumed, settings.keptStages !== undefined, readGpus);
  return { ...fitted, requests, jobs: group.map(({ job }) => job) };
}

/** What was asked of the machine and it does not have. */
function hardwareNotes({ threads = 0, deviceId, textEncoderDevice }: Request, { name }: ProviderChoice): string[] {
  const { cores } = readHardware();
  return [
    ...(threads > cores
      ? [`--threads ${threads} is more than the ${cores} hardware threads here: it makes nothing faster.`]
      : []),
    ...(deviceId !== undefined && !providers[name].takesDeviceId ? [`--device-id has no effect on ${name}.`] : []),
    ...(textEncoderDevice === "gpu" && !providers[name].takesTextEncoder
      ? [`--text-encoder-device gpu has no effect on ${name}: T5 runs on the CPU.`]
      : []),
  ];
}

/** Weights that are made once are made again at every run where they are not kept. */
const cacheNotes = ({ textEncoder, unet }: ReturnType<typeof smallerWeights>, { loras }: Request): string[] =>
  [textEncoder?.cache, unet?.cache, loras && loraCache()].flatMap((cache) => lostNote(cache ?? "") ?? []).slice(0, 1);

/** @throws {UsageError} int8 activations with 4-bit weights; either of them on a GPU. */
function smallerWeights({ textEncoderBits, textEncoderActivations, textEncoderDevice, unetBits }: Request): {
  textEncoder?: TextEncoderChoice;
  unet?: UnetChoice;
} {
  const activations = textEncoderActivations ?? "float32";
  const changesText = textEncoderBits !== undefined || activations === "int8";
  if (textEncoderBits === 4 && activations === "int8") {
    throw new UsageError("--text-encoder-activations int8 goes with --text-encoder-bits 8; leave one of them out.");
  }
  if (textEncoderDevice === "gpu" && (textEncoderBits === 4 || activations === "int8")) {
    const option = textEncoderBits === 4 ? "--text-encoder-bits 4" : "--text-encoder-activations int8";
    throw new UsageError(`${option} is for the CPU; leave it or --text-encoder-device gpu out.`);
  }
  return {
    ...(changesText ? { textEncoder: { bits: textEncoderBits ?? 8, cache: textEncoderCache(), activations } } : {}),
    ...(unetBits ? { unet: { bits: unetBits, cache: unetCache() } } : {}),
  };
}
