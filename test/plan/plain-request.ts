import type { Request } from "../../src/plan/request.ts";

/** What the command line makes of `txt2img "a cat" --seed 1`. */
export const plainRequest: Request = {
  command: "txt2img",
  prompt: "a cat",
  negativePrompt: "",
  seed: 1,
  numImages: 1,
  model: "demo",
  stageModels: {},
  until: 1024,
  stages: {},
  cleanCaption: true,
  watermark: true,
  eta: 0,
  executionProvider: "auto",
};
