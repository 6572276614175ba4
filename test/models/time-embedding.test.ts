import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/onnx/graph.ts";
import {
  type TimestepEmbeddingOptions,
  timestepEmbedding,
  timestepFrequencies,
} from "../../src/models/time-embedding.ts";
import { runNetwork } from "../run-graph.ts";

/** The bits of torch.exp(-log(10000) * arange(count) / (count - freqShift)), at some indices. */
const torchBits = [
  { count: 4, freqShift: 0, at: [0, 1, 2, 3], bits: [1065353216, 1036831948, 1008981770, 981668462] },
  {
    count: 96,
    freqShift: 0,
    at: [0, 17, 33, 57, 95],
    bits: [1065353216, 1044934282, 1026341398, 998911609, 954651913],
  },
  {
    count: 160,
    freqShift: 1,
    at: [0, 1, 2, 17, 33, 57, 95],
    bits: [1065353216, 1064408980, 1063517886, 1052721024, 1041720602, 1024904315, 998605435],
  },
];

test.each(torchBits)(
  "$count frequencies, shift $freqShift, are torch's to the last bit",
  ({ count, freqShift, at, bits }) => {
    const ours = new Int32Array(timestepFrequencies(count, freqShift).buffer);
    expect(ours).toHaveLength(count);
    const apart = at.map((index, i) => Math.abs((ours[index] ?? 0) - (bits[i] ?? 0)));
    expect(Math.max(...apart)).toBeLessThanOrEqual(1); // torch's exp is one bit off now and then
  },
);

describe("against get_timestep_embedding at timesteps 0, 0.5 and 999", () => {
  test.each<{ channels: number; options: TimestepEmbeddingOptions; expected: number[][] }>([
    {
      channels: 6,
      options: { flipSinToCos: true, freqShift: 0 },
      expected: [
        [1, 1, 1, 0, 0, 0],
        [
          0.8775825500488281, 0.9997307062149048, 0.9999994039535522, 0.4794255495071411, 0.023205863311886787,
          0.001077217166312039,
        ],
        [
          0.9996498227119446, -0.7286733388900757, -0.549264669418335, -0.02646075189113617, 0.684861421585083,
          0.8356484770774841,
        ],
      ],
    },
    {
      channels: 5,
      options: { flipSinToCos: false, freqShift: 1 },
      expected: [
        [0, 0, 1, 1, 0],
        [0.4794255495071411, 4.999999509891495e-5, 0.8775825500488281, 1, 0],
        [-0.02646075189113617, 0.09973391145467758, 0.9996498227119446, 0.9950141310691833, 0],
      ],
    },
  ])("$channels channels, $options", async ({ channels, options, expected }) => {
    const g = new GraphBuilder("timesteps");
    g.output("embedding", timestepEmbedding(g, g.input("timestep", "float32", [3]), channels, options));
    const results = await runNetwork(g.finish(), null, { timestep: Float32Array.of(0, 0.5, 999) });
    const { shape, data } = results.get("embedding") ?? { shape: [], data: [] };
    expect(shape).toEqual([3, channels]);
    const worst = Math.max(...expected.flat().map((value, i) => Math.abs(value - (data[i] ?? Number.NaN))));
    expect(worst).toBeLessThan(1e-6);
  });
});
