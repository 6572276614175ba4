import { expect, test } from "vitest";
import type { Request } from "../../src/plan/request.ts";
import { optionsThatFit } from "../../src/run/options-that-fit.ts";
import { plainRequest } from "../plan/plain-request.ts";

const settings = { download: false, budgets: {} };

/** Asks for what fits, and keeps what was tried. */
async function ask(request: Request, fits: (tried: Request) => boolean): Promise<{ words?: string; tried: number }> {
  let tried = 0;
  const words = await optionsThatFit(request, settings, (one) => {
    tried++;
    return Promise.resolve(fits(one));
  });
  return { ...(words === undefined ? {} : { words }), tried };
}

test("the first change that fits is named, what costs least of quality first", async () => {
  expect(await ask(plainRequest, () => true)).toEqual({ words: "--text-encoder-bits 8", tried: 1 });
  expect(await ask(plainRequest, ({ unetBits }) => unetBits === 8)).toEqual({ words: "--unet-bits 8", tried: 2 });
  const both = (one: Request): boolean => one.unetBits === 8 && one.textEncoderBits === 4;
  expect(await ask(plainRequest, both)).toEqual({ words: "--text-encoder-bits 4 --unet-bits 8", tried: 4 });
});

test("several images become one only where smaller weights alone do not do", async () => {
  const four = { ...plainRequest, numImages: 4 };
  expect(await ask(four, ({ numImages }) => numImages === 1)).toEqual({ words: "--num-images 1", tried: 5 });
  expect(await ask(four, () => false)).toEqual({ tried: 9 });
});

test("nothing fits", async () => {
  expect(await ask(plainRequest, () => false)).toEqual({ tried: 4 });
});
