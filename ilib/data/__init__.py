"""Pictures to work on: photographs inside scikit-image, loaders for public data sets, and what ilib draws.

The data sets are looked for below the folder that the environment variable ILIB_DATA names (or the
argument root); the embedded photographs and the drawings are always there.  `python -m ilib.data`
lists and fetches the public sets.
"""

from .embedded import embedded as embedded
from .folders import ENVIRONMENT as ENVIRONMENT
from .folders import folder as folder
from .folders import photographs as photographs
from .haze import add_haze as add_haze
from .haze import hazy_leaves as hazy_leaves
from .layouts import LevinMat as LevinMat
from .layouts import Scenes as Scenes
from .layouts import celeba_official as celeba_official
from .layouts import kohler_pairs as kohler_pairs
from .layouts import lai16_pairs as lai16_pairs
from .layouts import lai16_real as lai16_real
from .layouts import levin09_mat as levin09_mat
from .layouts import make3d_depth as make3d_depth
from .layouts import nyu_depth as nyu_depth
from .layouts import ohaze_pairs as ohaze_pairs
from .layouts import rain800_pairs as rain800_pairs
from .layouts import svhn_official as svhn_official
from .layouts import text_training_pairs as text_training_pairs
from .layouts import zappos as zappos
from .leaves import Leaves as Leaves
from .leaves import dead_leaves as dead_leaves
from .numbers import street_numbers as street_numbers
from .pages import Page as Page
from .pages import text_pages as text_pages
from .pictures import Pictures as Pictures
from .pictures import crop_stream as crop_stream
from .pictures import crops as crops
from .rain import add_rain as add_rain
from .rain import rain_streaks as rain_streaks
from .scenes import haze_of as haze_of
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
from .stream import endless as endless
from .stream import folder_stream as folder_stream
from .stream import leaf_stream as leaf_stream
