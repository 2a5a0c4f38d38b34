"""Settings for all tests."""

import torch

# The models here are tiny: more threads than one per process only wait for each other.
torch.set_num_threads(1)
