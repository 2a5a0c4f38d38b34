"""All features of the cells of a grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from solver.search.cells import (
    extents,
    lines,
    membership,
    palette,
    panels,
    periods,
    reflections,
    relations,
    spreading,
    surroundings,
)
from solver.search.cells.feature import Family, Feature, Plane

FAMILIES: tuple[Family, ...] = (
    *surroundings.FAMILIES,
    *reflections.FAMILIES,
    *periods.FAMILIES,
    *panels.FAMILIES,
    *membership.FAMILIES,
    *relations.FAMILIES,
    *lines.FAMILIES,
    *palette.FAMILIES,
    *extents.FAMILIES,
)

PLAIN: tuple[Feature, ...] = tuple(feature for family in FAMILIES for feature in family.features)

FEATURES: tuple[Feature, ...] = (*PLAIN, *spreading.spread_features(PLAIN))
"""Every feature of a cell, in the order of `planes`; the first is the cell's colour, which rules keep by default."""

_NUMBERS = {feature.name: number for number, feature in enumerate(PLAIN)}
_SPECIAL_ROWS = np.array([_NUMBERS[special.feature] for special in spreading.SPECIALS])
_SPECIAL_VALUES = np.array([special.value for special in spreading.SPECIALS], np.int16)
_SPECIAL_EMPTY = np.array([special.empty for special in spreading.SPECIALS], np.int16)


def planes(cells: npt.NDArray[np.int8]) -> Plane:
    """All FEATURES of all cells of a grid (int8 [height, width]): int16 [features, height, width]."""
    cells = np.ascontiguousarray(cells, dtype=np.int8)
    plain = np.concatenate([family.kernel(cells, family.variant) for family in FAMILIES])
    return np.concatenate([plain, spreading.spread(cells, plain[_SPECIAL_ROWS], _SPECIAL_VALUES, _SPECIAL_EMPTY)])
