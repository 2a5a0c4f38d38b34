"""What model-written programs import as `common`: a small library for grids that are indexed [x, y].

Names, arguments and meaning follow the interface that the public induction checkpoints were trained with. Star import
gives that interface and, since programs rely on them without importing them, NumPy, `random`, names of `typing` and
the modules of the standard library that short programs use most.
"""

import collections
import itertools
import math
import random
from collections import Counter, defaultdict, deque
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple, Union  # noqa: UP035

import numpy as np

from solver.programs.library.colors import Color
from solver.programs.library.components import find_connected_components, is_contiguous
from solver.programs.library.detection import detect_objects
from solver.programs.library.drawing import (
    blit,
    blit_object,
    blit_sprite,
    draw_line,
    flood_fill,
    scale_pattern,
    scale_sprite,
)
from solver.programs.library.outlines import object_boundary, object_interior, object_neighbors
from solver.programs.library.positions import (
    bounding_box,
    bounding_box_mask,
    crop,
    object_colors,
    object_position,
    translate,
)
from solver.programs.library.randomness import (
    random_free_location_for_sprite,
    random_sprite,
    randomly_scatter_points,
    randomly_spaced_indices,
)
from solver.programs.library.relations import check_between_objects, collision, contact
from solver.programs.library.symmetry import (
    MirrorSymmetry,
    RotationalSymmetry,
    Symmetry,
    TranslationalSymmetry,
    orbit,
)
from solver.programs.library.symmetry_detection import (
    detect_mirror_symmetry,
    detect_rotational_symmetry,
    detect_translational_symmetry,
)

__all__ = [
    "Any",
    "Callable",
    "Color",
    "Counter",
    "Dict",
    "Iterable",
    "List",
    "MirrorSymmetry",
    "Optional",
    "RotationalSymmetry",
    "Sequence",
    "Set",
    "Symmetry",
    "TranslationalSymmetry",
    "Tuple",
    "Union",
    "blit",
    "blit_object",
    "blit_sprite",
    "bounding_box",
    "bounding_box_mask",
    "check_between_objects",
    "collections",
    "collision",
    "contact",
    "crop",
    "defaultdict",
    "deque",
    "detect_mirror_symmetry",
    "detect_objects",
    "detect_rotational_symmetry",
    "detect_translational_symmetry",
    "draw_line",
    "find_connected_components",
    "flood_fill",
    "is_contiguous",
    "itertools",
    "math",
    "np",
    "object_boundary",
    "object_colors",
    "object_interior",
    "object_neighbors",
    "object_position",
    "orbit",
    "random",
    "random_free_location_for_sprite",
    "random_sprite",
    "randomly_scatter_points",
    "randomly_spaced_indices",
    "scale_pattern",
    "scale_sprite",
    "translate",
]
