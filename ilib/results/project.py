"""Where the parts of the project lie, relative to its folder."""

from ..project import GRIDS as GRIDS
from ..project import project_folder as project_folder
from ..project import repository_address as repository_address

SWEEPS = "notebooks/sweeps"
RESULTS = "results"
LOGS = "results/logs"
COMMIT = "COMMIT"  # stands in a copy of the project that has no git
EVALUATE = "notebooks/runs/evaluate.ipynb"
TRAIN = "notebooks/runs/train.ipynb"
CHECKPOINTS = "checkpoints"
