"""A PyTorch whose GPUs call themselves available; environment variables say how they fare.

FAKE_GPUS: their names, separated by commas; FAKE_GPU_ERROR: what every operation raises, if anything;
FAKE_GPU_FREE: free bytes of each.
"""

import os
from types import SimpleNamespace

NAMES = [name for name in os.environ.get("FAKE_GPUS", "").split(",") if name]
bfloat16, float16 = "bfloat16", "float16"
version = SimpleNamespace(cuda="12.8")


class Product:
    def __init__(self, value):
        self.value = value

    def __matmul__(self, other):
        return Product(self.value * other.value * 256)

    def __getitem__(self, place):
        return self

    def item(self):
        return float(os.environ.get("FAKE_GPU_RESULT", self.value))


def ones(height, width, device, dtype):
    if error := os.environ.get("FAKE_GPU_ERROR"):
        raise RuntimeError(f"{error}\nCompile with TORCH_USE_CUDA_DSA to enable device-side assertions.")
    return Product(1)


cuda = SimpleNamespace(
    is_available=lambda: True,
    device_count=lambda: len(NAMES),
    get_device_name=lambda number: NAMES[number],
    get_device_capability=lambda number: (7, 5),
    mem_get_info=lambda number: (int(os.environ["FAKE_GPU_FREE"]), 16 * 2**30),
)
cpu = SimpleNamespace()
