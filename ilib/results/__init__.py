"""Table rows: what a run leaves behind, the grid that asks for it, and the paper's figures beside ours.

    profiles    smoke, cpu, gpu, paper
    project     the folder that holds notebooks/tables and results
    rows        Job and Row: one run's place and its JSON
    grids       a table's YAML: rows, columns, the paper's figures, the parameters of a run
    digests     which settings and which code a row depends on
    trained     which weights the rows need, and which are missing or stale
    training    train the weights of a row (loads PyTorch and accelerate)
    sweeps      a table's grid again and again with one setting varied
    queue       what is missing or stale, in order of value
    runs        set-up, method, metrics of one run (loads PyTorch)
    slots       what is missing, as scripts of ten minutes for a borrowed machine; bare is what they do there
    merge       take what slots have left behind, checked
    tables      paper beside ours (loads pandas)
"""

from .grids import Grid as Grid
from .grids import load_grid as load_grid
from .rows import Job as Job
from .rows import Row as Row
from .rows import read_row as read_row
from .rows import read_rows as read_rows
from .rows import write_row as write_row
