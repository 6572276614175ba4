import { describe, expect, test } from "vitest";
import { InputImageError } from "../../src/errors.ts";
import type { Pixels } from "../../src/image/pixels.ts";
import { type Resample, resizePil } from "../../src/image/resize-pil.ts";

/** Bytes that any reader can rebuild: (37 i² + 11 i) mod 256. */
function pattern(width: number, height: number, channels: number): Pixels {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * i * 37 + i * 11) % 256);
  return { data, width, height, channels };
}

/** Pillow 12.3: Image.fromarray(pattern).resize((width, height), filter), of a gray image of 7x5. */
const fromPillow: readonly [Resample, number, number, readonly number[]][] = [
  ["nearest", 3, 4, [48, 110, 212, 152, 226, 84, 230, 72, 210, 204, 58, 208]],
  [
    "nearest",
    10,
    3,
    [
      0, 48, 48, 170, 110, 110, 124, 212, 212, 118, 238, 42, 42, 176, 128, 128, 154, 254, 254, 172, 132, 204, 204, 94,
      58, 58, 96, 208, 208, 138,
    ],
  ],
  ["box", 3, 4, [24, 135, 165, 133, 159, 191, 197, 97, 172, 168, 83, 173]],
  [
    "box",
    10,
    3,
    [
      49, 100, 100, 97, 168, 168, 185, 148, 148, 185, 238, 42, 42, 176, 128, 128, 154, 254, 254, 172, 148, 217, 217,
      104, 65, 65, 100, 209, 209, 136,
    ],
  ],
  ["bilinear", 3, 4, [69, 140, 165, 120, 161, 189, 165, 124, 178, 162, 97, 159]],
  [
    "bilinear",
    10,
    3,
    [
      42, 70, 97, 107, 141, 166, 175, 162, 166, 175, 190, 145, 114, 127, 134, 146, 165, 196, 195, 181, 146, 184, 187,
      108, 78, 76, 105, 182, 176, 136,
    ],
  ],
  ["bicubic", 3, 4, [60, 143, 163, 116, 164, 196, 171, 118, 179, 164, 87, 159]],
  [
    "bicubic",
    10,
    3,
    [
      37, 64, 95, 105, 145, 173, 179, 159, 164, 175, 203, 150, 106, 125, 136, 150, 170, 199, 198, 183, 143, 192, 201,
      109, 66, 62, 99, 195, 183, 128,
    ],
  ],
  ["lanczos", 3, 4, [57, 146, 161, 112, 163, 204, 173, 116, 180, 164, 88, 157]],
  [
    "lanczos",
    10,
    3,
    [
      33, 61, 93, 103, 144, 171, 180, 156, 162, 176, 209, 157, 101, 121, 139, 148, 173, 198, 198, 184, 138, 193, 208,
      116, 61, 51, 97, 205, 186, 118,
    ],
  ],
];

test.each(fromPillow)("%s to %ix%i as Pillow does", (resample, width, height, expected) => {
  expect([...resizePil(pattern(7, 5, 1), width, height, resample).data]).toEqual(expected);
});

test("colours are weighted by alpha, as Pillow does (RGBA 4x3 to 3x2)", () => {
  const expected = [
    108, 116, 155, 144, 136, 90, 205, 161, 122, 105, 203, 94, 155, 161, 142, 175, 171, 126, 157, 89, 143, 164, 180, 62,
  ];
  expect([...resizePil(pattern(4, 3, 4), 3, 2).data]).toEqual(expected);
});

describe("whatever the filter", () => {
  const filters: readonly Resample[] = ["nearest", "box", "bilinear", "bicubic", "lanczos"];

  test.each(filters)("%s keeps a plain colour", (resample) => {
    const plain = { data: new Uint8Array(9 * 6 * 3).fill(77), width: 9, height: 6, channels: 3 };
    for (const [width, height] of [
      [2, 2],
      [40, 3],
      [9, 17],
    ] as const) {
      const { data } = resizePil(plain, width, height, resample);
      expect(data).toEqual(new Uint8Array(width * height * 3).fill(77));
    }
  });

  test.each(filters)("%s treats channels alike", (resample) => {
    const gray = pattern(8, 6, 1);
    const rgb = {
      ...gray,
      data: Uint8Array.from({ length: 8 * 6 * 3 }, (_, i) => gray.data[Math.trunc(i / 3)]!),
      channels: 3,
    };
    const expected = resizePil(gray, 5, 9, resample).data;
    expect(resizePil(rgb, 5, 9, resample).data.filter((_, i) => i % 3 === 1)).toEqual(expected);
  });
});

test("an image that has the size is given back", () => {
  const image = pattern(5, 4, 3);
  expect(resizePil(image, 5, 4)).toBe(image);
});

test.each([
  [0, 3],
  [3, 0],
  [200_000, 200_000],
])("%ix%i is refused", (width, height) => {
  expect(() => resizePil(pattern(5, 4, 3), width, height)).toThrow(InputImageError);
});
