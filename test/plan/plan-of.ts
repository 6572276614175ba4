/** A plan as the program could have made it, for what shows plans. */

import type { DiffusionStage, Plan } from "../../src/plan/plan.ts";

interface PlanShape {
  /** Stage 1's size if it starts from an image. */
  readonly image?: { readonly width: number; readonly height: number };
  readonly mask?: boolean;
}

export function planOf({ image, mask }: PlanShape): Plan {
  const start = {
    image: "/images/car.png",
    ...(mask ? { mask: { shapes: [], file: "/images/mask.png", invert: false } } : {}),
    pasteBack: mask === true,
  };
  const stage = (name: DiffusionStage["name"], checkpoint: string, scale: number): DiffusionStage => ({
    kind: "diffusion",
    name,
    checkpoint,
    selection: { numInferenceSteps: name === "stage-1" ? 6 : 4 },
    scheduler: "DDPMScheduler",
    sampler: "DDPM",
    steps: (name === "stage-1" ? 6 : 4) / (image ? 2 : 1),
    guidanceScale: name === "stage-1" ? 7 : 4,
    ...(name === "stage-1" ? {} : { noiseLevel: 250 }),
    width: scale * (image?.width ?? 64),
    height: scale * (image?.height ?? 64),
    ...(image ? { strength: 0.5 } : {}),
  });
  return {
    version: "1.2.3",
    command: mask ? "inpaint" : image ? "img2img" : "txt2img",
    model: "tiny",
    jobs: [{ prompt: "a cat", negativePrompt: "a dog", seed: 5, ...(image ? { start } : {}) }],
    numImages: 2,
    eta: 0,
    watermark: true,
    stages: [
      { kind: "text", name: "text-encoding", checkpoint: "/tiny/if-i", cleanCaption: true },
      stage("stage-1", "/tiny/if-i", 1),
      stage("stage-2", "/tiny/if-ii", 4),
      {
        kind: "safety",
        name: "safety",
        checkpoint: "/tiny/if-i",
        action: "black",
        of: { name: "stage-2", checkpoint: "/tiny/if-ii" },
      },
    ],
    provider: { requested: "cpu", name: "cpu", passedOver: [] },
    gpuStages: {},
    ahead: [],
    lowMemory: {},
    jobsAtOnce: {},
    notes: ["this is a note"],
  };
}
