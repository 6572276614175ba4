/** The process of one step of quantization.ts. */

import { type EncodeStep, type QuantizeStep, encode, quantize } from "./text-encoder-steps.ts";
import { finish } from "./watched-process.ts";

const step = JSON.parse(process.argv[2] ?? "") as QuantizeStep | EncodeStep;
finish(await (step.step === "quantize" ? quantize(step) : encode(step)));
