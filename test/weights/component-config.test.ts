import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CheckpointError } from "../../src/errors.ts";
import { readComponentConfig } from "../../src/weights/component-config.ts";
import { goldenPath } from "../golden.ts";
import { temporaryFile } from "./files.ts";

const schema = z.strictObject({
  sample_size: z.int().positive(),
  act_fn: z.enum(["silu", "gelu"]).default("silu"),
  nested: z.strictObject({ side: z.array(z.number()) }).optional(),
});

async function read(content: string, harmless: string[] = []): Promise<unknown> {
  const path = await temporaryFile("config.json", content);
  return readComponentConfig(dirname(path), schema, { harmless });
}

describe("readComponentConfig", () => {
  test("reads known keys, fills defaults, leaves out what changes no number", async () => {
    const content = '{"_class_name": "X", "dropout": 0.1, "sample_size": 64}';
    expect(await read(content, ["dropout"])).toEqual({ sample_size: 64, act_fn: "silu" });
  });

  test("reads another file, and a key with an underscore that the schema names", async () => {
    const noising = z.strictObject({ _class_name: z.literal("DDPMScheduler"), num_train_timesteps: z.int() });
    const folder = goldenPath("checkpoints/if-ii/image_noising_scheduler");
    const file = "scheduler_config.json";
    const harmless = Object.keys(JSON.parse(await readFile(join(folder, file), "utf8")) as object);
    expect(await readComponentConfig(folder, noising, { file, harmless })).toEqual({
      _class_name: "DDPMScheduler",
      num_train_timesteps: 1000,
    });
  });

  test.each<[string, string, RegExp]>([
    ["an unknown key", '{"sample_size": 64, "foo": 1}', /^Unknown key `foo` in .*config\.json: this version of if-gen/],
    ["an unknown key inside", '{"sample_size": 64, "nested": {"side": [], "foo": 1}}', /Unknown key `nested\.foo` in/],
    ["a wrong type", '{"sample_size": "64"}', /^Key `sample_size` is "64" in .*config\.json.*expected number/],
    ["a wrong value", '{"sample_size": 64, "act_fn": "relu"}', /^Key `act_fn` is "relu" in .*config\.json/],
    ["a wrong value inside", '{"sample_size": 64, "nested": {"side": [1, null]}}', /`nested\.side\.1` is null in/],
    ["a long value", `{"sample_size": "${"9".repeat(99)}"}`, /is "9{56}\.\.\. in/],
    ["a missing key", "{}", /^Key `sample_size` is missing in .*config\.json/],
    ["no object", "[1]", /config\.json is not a JSON object/],
    ["no JSON", '{"sample_size": NaN}', /config\.json is not valid JSON/],
    ["an endless file", " ".repeat(33_000_000), /has 33000000 bytes/],
  ])("refuses %s", async (_, content, message) => {
    const reading = read(content);
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(message);
  });

  test("takes bitsandbytes' 8 bits, which transformers writes into the config", async () => {
    const quantization = {
      quant_method: "bitsandbytes",
      load_in_8bit: true,
      load_in_4bit: false,
      llm_int8_threshold: 6,
    };
    const config = await read(JSON.stringify({ sample_size: 64, quantization_config: quantization }));
    expect(config).not.toHaveProperty("quantization_config");
  });

  test.each([
    [
      { quant_method: "bitsandbytes", load_in_8bit: false, load_in_4bit: true },
      /quantised by bitsandbytes in a layout/,
    ],
    [{ quant_method: "gptq\u001b", bits: 4 }, /quantised by gptq\\u\{1b\} in a layout/],
    ["yes", /quantised in a layout/],
  ])("refuses weights quantised as %j says", async (quantization, message) => {
    await expect(read(JSON.stringify({ sample_size: 64, quantization_config: quantization }))).rejects.toThrow(message);
  });

  test("says that the file is missing", async () => {
    const path = await temporaryFile("other.json", "{}");
    await expect(readComponentConfig(dirname(path), schema)).rejects.toThrow(
      /config\.json cannot be read \(it is missing/,
    );
  });
});
