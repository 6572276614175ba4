import { describe, expect, test } from "vitest";
import { captionsOf } from "../../../src/run/grid/captions.ts";
import { requestFromOptions } from "../../../src/run/job-options.ts";
import { optionsFromRequest } from "../../../src/run/options-from-request.ts";
import { IMAGE } from "../../../src/run/grid/image-options.ts";
import { type GridImage, gridTable } from "../../../src/run/grid/table.ts";

const image = (path: string, given: object, number?: number): GridImage => {
  const request = requestFromOptions("txt2img", { prompt: "a cat", seed: 1, ...given });
  return { path, options: { ...optionsFromRequest(request), ...(number === undefined ? {} : { [IMAGE]: number }) } };
};

const four = [
  image("a", { prompt: "a cat", seed: 1 }),
  image("b", { prompt: "a cat", seed: 2 }),
  image("c", { prompt: "a dog", seed: 1 }),
  image("d", { prompt: "a dog", seed: 2 }),
];

describe("rows and columns", () => {
  test("of themselves: the seed across, the rest down", () => {
    expect(gridTable(four, {})).toEqual({
      paths: ["a", "b", "c", "d"],
      rowLabels: ["a cat", "a dog"],
      columnLabels: ["seed 1", "seed 2"],
    });
  });

  test("as they are asked for, the other way round", () => {
    expect(gridTable(four, { rows: ["seed"], columns: ["prompt"] })).toMatchObject({
      paths: ["a", "c", "b", "d"],
      rowLabels: ["seed 1", "seed 2"],
    });
    expect(gridTable(four, { columns: ["prompt"] }).paths).toEqual(["a", "c", "b", "d"]);
    expect(gridTable(four, { rows: ["seed"] }).paths).toEqual(["a", "c", "b", "d"]);
  });

  test("an image that was not drawn leaves its cell empty", () => {
    expect(gridTable(four.slice(0, 3), {}).paths).toEqual(["a", "b", "c", ""]);
  });

  test("random seeds say nothing where the prompts tell the drawings apart", () => {
    const images = [image("a", { prompt: "a cat", seed: 77 }), image("b", { prompt: "a dog", seed: 3 })];
    expect(gridTable(images, {})).toEqual({ paths: ["a", "b"], rowLabels: [], columnLabels: ["a cat", "a dog"] });
  });

  test("options of single stages, as the command line writes them", () => {
    const images = [1, 5].flatMap((guidance) =>
      (["ddim", "euler"] as const).map((scheduler) =>
        image(`${scheduler} ${guidance}`, { stage1Guidance: guidance, scheduler }),
      ),
    );
    expect(gridTable(images, { rows: ["stage-1-guidance"], columns: ["--stage-1-scheduler"] })).toMatchObject({
      rowLabels: ["stage 1 guidance 1", "stage 1 guidance 5"],
      columnLabels: ["stage 1 scheduler ddim", "stage 1 scheduler euler"],
    });
  });

  test("several images of one drawing lie side by side", () => {
    const images = [1, 2].flatMap((seed) => [1, 2].map((number) => image(`${seed}-${number}`, { seed }, number)));
    expect(gridTable(images, { columns: [] })).toMatchObject({ columnLabels: [] });
    expect(gridTable(images, {})).toMatchObject({
      paths: ["1-1", "1-2", "2-1", "2-2"],
      rowLabels: [],
      columnLabels: [
        "seed 1, image number 1",
        "seed 1, image number 2",
        "seed 2, image number 1",
        "seed 2, image number 2",
      ],
    });
  });

  test("a drawing that was made twice: the later one", () => {
    expect(gridTable([...four, image("e", { prompt: "a dog", seed: 2 })], {}).paths).toEqual(["a", "b", "c", "e"]);
  });
});

test.each([
  [{ rows: ["prompt"], columns: ["guidance"] }, "there is no option guidance"],
  [{ rows: ["stage-1-guidanc"] }, "there is no option stage-1-guidanc; did you mean stage1Guidance?"],
  [{ rows: ["prompt"], columns: ["model"] }, "a and b would fall into one cell: they differ in seed"],
])("%j is refused", (axes, message) => {
  expect(() => gridTable(four, axes)).toThrow(message);
});

test("captions name what a command's images differ in, and nothing where they do not", () => {
  const request = requestFromOptions("txt2img", { prompt: "a cat", seed: 1, numImages: 2 });
  expect(captionsOf([request])).toEqual([]);
  expect(captionsOf([request, { ...request, seed: 9 }])).toEqual([
    "seed 1, image 1",
    "seed 1, image 2",
    "seed 9, image 1",
    "seed 9, image 2",
  ]);
});

test("of prompts that share a generator, each image's caption has its own prompt and its number", () => {
  const list = requestFromOptions("txt2img", { prompt: "a", morePrompts: ["b"], seed: 1, numImages: 2 });
  expect(captionsOf([list])).toEqual(["a, image 1", "a, image 2", "b, image 1", "b, image 2"]);
  expect(captionsOf([{ ...list, numImages: 1 }])).toEqual(["a", "b"]);
});
