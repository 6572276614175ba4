/**
 * @module models/relative-position
 * T5's buckets of relative positions: near distances have one each, far ones share them on a logarithmic scale.
 * Source: Raffel et al. 2020 (arXiv 1910.10683) §2.1; the numbers are those of transformers' T5Attention.
 */

const f32 = Math.fround;

/**
 * @param distance key position − query position; attention goes both ways, so one half of the buckets is for each side.
 * @returns the bucket, 0 .. numBuckets - 1.
 */
export function relativePositionBucket(distance: number, numBuckets: number, maxDistance: number): number {
  const perSide = Math.floor(numBuckets / 2);
  const exact = Math.floor(perSide / 2);
  const side = distance > 0 ? perSide : 0;
  const magnitude = Math.abs(distance);
  if (magnitude < exact) return side + magnitude;
  // Each step is rounded to float32, as the reference computes it: on a border a bucket hangs on the last bit.
  const position = f32(f32(Math.log(f32(magnitude / exact))) / f32(Math.log(maxDistance / exact)));
  const far = exact + Math.trunc(f32(position * (perSide - exact)));
  return side + Math.min(far, perSide - 1);
}

/** @returns the bucket of each pair of `length` positions, (query, key), row-major. */
export function relativePositionBuckets(length: number, numBuckets: number, maxDistance: number): BigInt64Array {
  const buckets = new BigInt64Array(length * length);
  for (let query = 0; query < length; query++) {
    for (let key = 0; key < length; key++) {
      buckets[query * length + key] = BigInt(relativePositionBucket(key - query, numBuckets, maxDistance));
    }
  }
  return buckets;
}
