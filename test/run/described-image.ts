/** An image in ten numbers, as scripts/golden/make-list.py prints them. */

import sharp from "sharp";

/** @returns the mean of each colour, and seven of the levels, channel by channel. */
export async function describedImage(path: string): Promise<number[]> {
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixels = info.width * info.height;
  const byChannel = Array.from({ length: 3 * pixels }, (_, at) => data[(at % pixels) * 3 + Math.floor(at / pixels)]!);
  const means = [0, 1, 2].map(
    (channel) => byChannel.slice(channel * pixels, (channel + 1) * pixels).reduce((sum, one) => sum + one, 0) / pixels,
  );
  const every = Math.floor(byChannel.length / 7);
  return [...means, ...Array.from({ length: 7 }, (_, index) => byChannel[index * every]!)];
}
