"""Pictures to work on: photographs inside scikit-image, loaders for public data sets, dead leaves.

The data sets are looked for below the folder that the environment variable ILIB_DATA names (or the
argument root); the embedded photographs and the dead leaves are always there.
"""

from .embedded import embedded as embedded
from .folders import ENVIRONMENT as ENVIRONMENT
from .folders import folder as folder
from .folders import photographs as photographs
from .leaves import Leaves as Leaves
from .leaves import dead_leaves as dead_leaves
from .pictures import Pictures as Pictures
from .pictures import crop_stream as crop_stream
from .pictures import crops as crops
from .sets import Depth as Depth
from .sets import Haze as Haze
from .sets import Levin as Levin
from .sets import Pairs as Pairs
from .sets import Text as Text
from .sets import all_names as all_names
from .sets import available as available
from .sets import celeba as celeba
from .sets import depth as depth
from .sets import dgp_reference as dgp_reference
from .sets import gopro_pairs as gopro_pairs
from .sets import haze_triples as haze_triples
from .sets import kernels_12 as kernels_12
from .sets import levin09 as levin09
from .sets import levin09_kernels as levin09_kernels
from .sets import load as load
from .sets import rain_pairs as rain_pairs
from .sets import shoes as shoes
from .sets import svhn as svhn
from .sets import text_pairs as text_pairs
