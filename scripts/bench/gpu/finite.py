"""Are the tensors of these safetensors files numbers? python finite.py FOLDER_OR_FILE ..."""

import os
import sys

import torch
from safetensors.torch import load_file

bad = False
for given in sys.argv[1:]:
    paths = [given] if os.path.isfile(given) else [os.path.join(f, n) for f, _, names in os.walk(given) for n in names]
    for path in sorted(p for p in paths if p.endswith(".safetensors")):
        for name, tensor in load_file(path).items():
            numbers = tensor.float()
            finite = bool(torch.isfinite(numbers).all())
            bad |= not finite
            print("%-28s %-20s %s mean %.3f deviation %.3f from %.3f to %.3f" % (
                os.path.basename(path), list(tensor.shape), "finite" if finite else "NOT FINITE",
                numbers.mean(), numbers.std(), numbers.min(), numbers.max()))
sys.exit(1 if bad else 0)
