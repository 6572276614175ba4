/**
 * @module onnx/lower/cuda/variants
 * The ways in which a network can be lowered for CUDA, so that they can be timed against each other on a GPU. Names are
 * stable: the log of measurements (docs/notebook/cuda.md) refers to them. It also names what lost and is gone.
 */

/** Fewest pixels of the small feature maps of a batch, B·H·W, and fewest channels of all that have as many. */
export interface PhaseLimits {
  readonly pixels: number;
  readonly channels: number;
}

export interface CudaChoices {
  /** `last`: feature maps channels-last, passes taken together; `first`: as the network has them. */
  readonly layout: "first" | "last";
  /** `joined`: keys and values of IF's attentions are made together (onnx/lower/cuda/attention-keys). */
  readonly keys: "joined" | "apart";
  /** Does onnxruntime fold what is made of constants when the session is made (runtime/execution-providers)? */
  readonly folds: boolean;
  /** Up to how many pixels of a feature map a convolution is products of kernel taps, where its kernel lies so (onnx/lower/cuda/tap-products). */
  readonly mostTapPixels: number;
  /** Up to so many, kernels that lie in another way are unpacked for such products too. */
  readonly unpacksTaps: boolean;
  /** Which 3x3 convolutions behind a twofold enlargement are computed on the small feature map (onnx/lower/cuda/enlarged-phases). */
  readonly phases: PhaseLimits | null;
  /** Constants of a few kilobytes are folded with weights in blocks too: for graphs without convolutions of unpacked kernels. */
  readonly foldsSmall: boolean;
}

const channelsLast: CudaChoices = {
  layout: "last",
  keys: "apart",
  folds: true,
  mostTapPixels: 0,
  unpacksTaps: false,
  phases: null,
  foldsSmall: false,
};

const joinedKeys: CudaChoices = { ...channelsLast, keys: "joined" };

/**
 * Where computing on the small feature map pays, reckoned for an H200 at 480 TFLOP/s and 3.5 TB/s. Saved are 5/9 of the
 * 2 x 9 x 4·B·H·W·O·C operations.
 *
 * - Making the kernels reads and writes 2 bytes x O·C x (9 + 16 in the product, 16 + 16 as it is turned): O·C cancels, and it pays from
 *   391 pixels on. Twice as many and up to a power of two, since a product of nine columns may be slower than its bytes.
 * - The gathering reads four times what the enlargement did, and a Conv with a bias, here of zeros, adds it in a pass of its own: 5.5 bytes x
 *   4·B·H·W·O. It pays from 75 channels on, by that reckoning. Measured: the x4 UNet (512 and 1024 channels) and IF-I-XL (1408) gained 0.8
 *   and 0.4 ms a step; IF-II-L, whose largest map has 320, lost 1.5.
 */
const WORTHWHILE_PHASES: PhaseLimits = { pixels: 2 ** 10, channels: 512 };

/** In float16. */
const phases: CudaChoices = { ...joinedKeys, phases: WORTHWHILE_PHASES };

/** For weights in 8-bit blocks, which are unpacked as they are used. */
const unfolded: CudaChoices = { ...channelsLast, folds: false };

/** The same, convolutions as products: of few pixels, whose weights are most of what they read, or of more. */
const smallTaps: CudaChoices = { ...unfolded, mostTapPixels: 16 ** 2 };
const taps: CudaChoices = { ...unfolded, mostTapPixels: 32 ** 2 };
/** Keys joined too. */
const tapsKeys: CudaChoices = { ...taps, keys: "joined" };
/**
 * All convolutions of stage 1, so that it does without cuDNN's and their workspace. Not of more pixels: the ones and zeros that
 * sum them grow too large.
 */
const allTaps: CudaChoices = { ...tapsKeys, mostTapPixels: 64 ** 2, unpacksTaps: true, foldsSmall: true };

const plain: CudaChoices = { ...channelsLast, layout: "first" };

/** By name. */
export const cudaVariants: Readonly<Record<string, CudaChoices>> = {
  plain,
  nhwc: channelsLast,
  "nhwc-keys": joinedKeys,
  "nhwc-phases": phases,
  "nhwc-unfolded": unfolded,
  "nhwc-small-taps": smallTaps,
  "nhwc-taps": taps,
  "nhwc-taps-keys": tapsKeys,
  "nhwc-all-taps": allTaps,
};

/** By how the weights lie. */
export const cudaDefaults = {
  stored: phases,
  blocks: tapsKeys,
  /** Of a network whose feature maps have few pixels. */
  blocksOfFewPixels: allTaps,
} as const satisfies Readonly<Record<string, CudaChoices>>;

export const cudaDefaultFor = ({
  weightFormat,
  fewPixels = false,
}: {
  readonly weightFormat: "stored" | "blocks";
  readonly fewPixels?: boolean;
}): CudaChoices => cudaDefaults[weightFormat === "blocks" && fewPixels ? "blocksOfFewPixels" : weightFormat];
