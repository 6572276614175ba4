/** A plan as the program could have made it, for what shows plans. */

import type { DiffusionStage, Plan } from "../../src/plan/plan.ts";

/** @param picture stage 1's size if it starts from a picture. */
export function planOf({ picture, mask }: { picture?: { width: number; height: number }; mask?: boolean }): Plan {
  const start = {
    image: "/pictures/car.png",
    strength: 0.5,
    ...(mask ? { mask: { shapes: [], file: "/pictures/mask.png", invert: false } } : {}),
  };
  const stage = (name: DiffusionStage["name"], checkpoint: string, scale: number): DiffusionStage => ({
    name,
    checkpoint,
    selection: { numInferenceSteps: name === "stage-1" ? 6 : 4 },
    guidanceScale: name === "stage-1" ? 7 : 4,
    ...(name === "stage-1" ? {} : { noiseLevel: 250 }),
    width: scale * (picture?.width ?? 64),
    height: scale * (picture?.height ?? 64),
    ...(picture ? { start } : {}),
  });
  return {
    version: "1.2.3",
    command: mask ? "inpaint" : picture ? "img2img" : "txt2img",
    model: "tiny",
    prompt: "a cat",
    negativePrompt: "a dog",
    seed: 5,
    numImages: 2,
    eta: 0,
    watermark: true,
    ...(mask
      ? { pasteBack: { image: start.image, mask: { shapes: [], file: "/pictures/mask.png", invert: false } } }
      : {}),
    stages: [
      { name: "text-encoding", checkpoint: "/tiny/if-i", cleanCaption: true },
      stage("stage-1", "/tiny/if-i", 1),
      stage("stage-2", "/tiny/if-ii", 4),
      { name: "safety", checkpoint: "/tiny/if-i", action: "black", of: { name: "stage-2", checkpoint: "/tiny/if-ii" } },
    ],
    notes: ["this is a note"],
  };
}
