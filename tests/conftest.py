"""Settings shared by all tests."""

import os

# Before torch and numpy are loaded: workers of pytest-xdist share the cores, and one thread gives repeatable sums.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import hypothesis  # noqa: E402
import matplotlib  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)
matplotlib.use("Agg")
hypothesis.settings.register_profile("repeatable", derandomize=True)  # the same examples in every run
hypothesis.settings.load_profile("repeatable")
