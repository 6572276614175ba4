/**
 * @module run/find-requested-model
 * The model a request asks for: found, or fetched first.
 */

import { findModel } from "../catalog/find-model.ts";
import { readHubContext } from "../catalog/hub-context.ts";
import { lostNote } from "../machine/folders.ts";
import type { Model } from "../plan/model.ts";
import type { Request } from "../plan/request.ts";
import { type RepositoryKey, describeDiffusion, diffusionNames } from "../plan/stages.ts";
import type { RunSettings } from "./settings.ts";

/**
 * @throws {CheckpointError} there is no such model.
 * @throws {HubError} it is not here and cannot be fetched, or `download` is false.
 */
export function findRequestedModel(
  { model, stageModels, textEncoderModel, variant, until, upscale, promptEmbeds }: Request,
  { modelsFile, token, download, outline, signal, onEvent }: RunSettings,
): Promise<Model> {
  const { manifest, environment, settings } = readHubContext(modelsFile, token);
  for (const text of manifest.problems) onEvent?.({ type: "note", text });
  let lost = lostNote(settings.cacheFolder);
  const noteLost = (): void => {
    if (lost !== undefined) onEvent?.({ type: "note", text: lost });
    lost = undefined; // once
  };
  const replaced = diffusionNames.flatMap((name): [RepositoryKey, string][] => {
    const folder = stageModels[name];
    return folder === undefined ? [] : [[describeDiffusion(name).repository, folder]];
  });
  return findModel(
    {
      model,
      stages: Object.fromEntries(replaced),
      ...(textEncoderModel === undefined ? {} : { text: textEncoderModel }),
      ...(variant ? { variant } : {}),
      until,
      upscale,
      promptEmbeds,
    },
    {
      manifest,
      settings,
      home: environment.home,
      ...(download
        ? {
            download: {
              ...(signal ? { signal } : {}),
              onProgress: (repo, event) => {
                if (event.kind === "start" && event.missingBytes > 0) noteLost();
                onEvent?.({ type: "download", repo, event });
              },
            },
          }
        : {}),
      outline,
      onNote: (text) => onEvent?.({ type: "note", text }),
    },
  );
}
