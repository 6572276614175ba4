#!/usr/bin/env bash
# What docs/notebook/cuda.md tells of the UNets, single runs and batches, measured on this machine: random weights of full size.
#
#   usage: [OUT=results] [FULL=/tmp/full] bash scripts/bench/gpu/measure.sh weights|unets|traces|8bit|single|batch|two|all ...
#
# In the project's root, or where pack.sh's archives were unpacked. 30 GB of disk, 40 GB of RAM; `two` needs two GPUs.
set -uo pipefail
out=${OUT:-results} full=${FULL:-/tmp/full}
mkdir -p "$out"
node=node; [ -x ./node ] && node=./node
here=scripts/bench/gpu
step="$node build/scripts/measure/gpu.js --provider cuda --runs 20 --alone --json $out/steps.jsonl"

weights() {
  local write="$node build/scripts/synthesize/checkpoint.js"
  $write IF-I-XL-v1.0 "$full/if-i" --text-bits 8 & $write IF-II-L-v1.0 "$full/if-ii" & $write x4-upscaler "$full/x4-upscaler" & wait
}
unets() {
  $step "$full/if-i/unet" --side 64 --name IF-I-XL --variants nhwc,nhwc-keys,nhwc-phases
  $step "$full/if-ii/unet" --side 256 --name IF-II-L --variants nhwc,nhwc-keys,nhwc-phases
  $step "$full/x4-upscaler/unet" --side 256 --name x4 --variants nhwc,nhwc-keys,nhwc-phases
}
traces() { # needs CUPTI, which comes with CUDA and with PyTorch's packages
  local library; library=$(find / -name 'libcupti.so.1*' -not -path '/proc/*' 2>/dev/null | head -1)
  local headers; headers=$(dirname "$(find / -name cupti.h -not -path '/proc/*' 2>/dev/null | head -1)")
  g++ -shared -fPIC -O2 -I "$headers" -I "$headers/../../../include" $here/trace.cpp -o "$out/libtrace.so" "$library" || return
  for network in if-i:64 if-ii:256; do
    CUDA_INJECTION64_PATH=$PWD/$out/libtrace.so TRACE_OUT=$out/${network%:*} LD_LIBRARY_PATH=$(dirname "$library") \
      $step "$full/${network%:*}/unet" --side "${network#*:}" --runs 5 --variants nhwc-keys
    for file in "$out/${network%:*}".*.tsv; do [ -s "$file" ] && python3 $here/trace_table.py "$file" > "$file.table"; done
  done
}
8bit() { # making IF-I-XL's weights takes two minutes
  $step "$full/if-i/unet" --quantize --blocks /tmp/blocks
  local taps=nhwc-small-taps+8bit,nhwc-taps+8bit,nhwc-taps-keys+8bit,nhwc-all-taps+8bit
  local eight="$step $full/if-i/unet --side 64 --blocks /tmp/blocks --seconds 300"
  $eight --name IF-I-XL --variants nhwc-keys,nhwc-unfolded+8bit,$taps
  ORT_FPA_INTB_GEMM=1 ORT_FPA_INTB_PROFILE_M=2,128,256,512,2048 $eight --name fpa_intb --variants $taps
  ORT_MATMULNBITS_FORCE_CHUNKED=1 ORT_MATMULNBITS_CHUNK_SIZE=8448 $eight --name chunked --variants nhwc-taps-keys+8bit,nhwc-all-taps+8bit
}
draw() { $node bin/if-gen.js "$@" -m "$full" --execution-provider cuda --safety off; }
single() {
  draw txt2img "a red circle" --seed 3 -o "$out/one.png" --overwrite --report "$out/one.json"
  draw txt2img "a red circle" --seed 3 -o "$out/four.png" --overwrite --num-images 4 --report "$out/four.json"
  draw txt2img "a red circle" --seed 3 -o "$out/t5.png" --overwrite --text-encoder-device gpu --report "$out/t5.json"
}
many() { # NAME GPUS SEEDS [option ...]: 16 prompts for each seed
  local name=$1 gpus=$2 seeds=$3; shift 3
  seq 16 | sed 's/^/a picture of number /' > "$out/prompts.txt"
  python3 $here/busy.py --gpus "$gpus" --json "$out/$name.json" -- $node bin/if-gen.js batch "$out/prompts.txt" --output-dir "$out/$name" \
    -m "$full" --execution-provider cuda --safety off --json --chunk 16 --devices "$gpus" --seeds "$seeds" "$@"
}
batch() { many one-1024 0 5; many one-256 0 5 --until 256; }
two() { many one-256 0 5 --until 256; many two-256 0,1 5,6 --until 256; many two-1024 0,1 5,6; }
all() { weights; unets; traces; single; batch; 8bit; }

for part in "$@"; do echo "== $part"; "$part"; done
