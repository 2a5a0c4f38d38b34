"""Settings for all tests."""

import torch
from hypothesis import HealthCheck, settings

# The models here are tiny: more threads than one per process only wait for each other.
torch.set_num_threads(1)

# No test may depend on how fast the machine is, or what else it does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
