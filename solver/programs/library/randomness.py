"""Making random inputs. A program that solves a task has no use for these: its answers would not be the same twice.

All draw from the global generator of the module `random`, which whoever runs the program seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from solver.programs.library.arguments import Array, Mask, canvas_of, foreground, whole
from solver.programs.library.colors import Color
from solver.programs.library.morphology import dilated, labelled

_SPRITE_TRIALS = 100
_QUARTER_TURNS = (np.rot90, lambda mask: np.rot90(mask, 2), lambda mask: np.rot90(mask, 3))
# What a mask is united with, again and again, to have a symmetry; horizontal means from left to right, along x.
_IMAGES: dict[str, Sequence[Callable[[Mask], Mask]]] = {
    "not_symmetric": (),
    "horizontal": (lambda mask: mask[::-1],),
    "vertical": (lambda mask: mask[:, ::-1],),
    "mirror": (lambda mask: mask[::-1], lambda mask: mask[:, ::-1], lambda mask: mask[::-1, ::-1]),
    "diagonal": (lambda mask: mask.T,),
    "radial": _QUARTER_TURNS,
}
_SQUARE_ONLY = frozenset({"diagonal", "radial"})


def randomly_scatter_points(grid: Array, color: int, density: float = 0.5, background: int = Color.BLACK) -> Array:
    """Recolours a share `density` of the background's pixels, in place; returns the grid."""
    canvas = canvas_of(grid)
    if not 0 <= density <= 1:
        raise ValueError(f"randomly_scatter_points: density must be from 0 to 1, not {density}")
    free = np.argwhere(canvas == background).tolist()
    for x, y in random.sample(free, round(density * len(free))):
        canvas[x, y] = whole(color, "color")
    return canvas


def randomly_spaced_indices(max_len: int, n: int, border_size: int = 1, padding: int = 1) -> Array:
    """`n` ascending indices below `max_len` with at least `padding` others between two of them.

    The first and the last `border_size` indices are left out. Raises ValueError if there is no room.
    """
    count, gap = whole(n, "n"), whole(padding, "padding")
    # Indices at least gap + 1 apart are any distinct indices with the gaps taken out.
    room = whole(max_len, "max_len") - 2 * whole(border_size, "border_size") - gap * max(count - 1, 0)
    if count < 0 or count > room:
        raise ValueError(f"randomly_spaced_indices: no room for {n} indices below {max_len}")
    chosen = sorted(random.sample(range(room), count))
    return np.array([border_size + index + gap * rank for rank, index in enumerate(chosen)], dtype=int)


def random_sprite(
    n: int | Sequence[int],
    m: int | Sequence[int],
    density: float = 0.5,
    symmetry: str | None = None,
    color_palette: Sequence[int] | None = None,
    connectivity: int = 4,
    background: int = Color.BLACK,
) -> Array:
    """A connected sprite of shape (n, m) that touches all four of its edges; of several n or m one is drawn.

    It is grown until it covers about a share `density`. Symmetries: 'horizontal', 'vertical', 'mirror' (both),
    'diagonal', 'radial' (quarter turns), 'not_symmetric', or None for any. Without a palette it has one to three
    colours. Raises ValueError for a symmetry that the shape cannot have.
    """
    width, height = (size if isinstance(size, int) else whole(random.choice(size), "a size") for size in (n, m))
    possible = [name for name in _IMAGES if width == height or name not in _SQUARE_ONLY]
    name = random.choice(possible) if symmetry is None else symmetry
    if name not in possible:
        raise ValueError(f"random_sprite: no symmetry {name!r} for a sprite of {width} x {height}")
    palette = [color for color in Color.ALL_COLORS if color != background] if color_palette is None else color_palette
    if color_palette is None:
        palette = random.sample(palette, random.randint(1, 3))
    sprite = _coloured(_grown((width, height), density, name, connectivity), name, palette, background)
    for _trial in range(_SPRITE_TRIALS):
        if name != "not_symmetric" or not _has_symmetry(sprite):
            break
        sprite = _coloured(_grown((width, height), density, name, connectivity), name, palette, background)
    return sprite


def _has_symmetry(sprite: Array) -> bool:
    return any(
        image(sprite).shape == sprite.shape and np.array_equal(image(sprite), sprite)
        for images in _IMAGES.values()
        for image in images
    )


def _symmetric(mask: Mask, name: str) -> Mask:
    """The mask united with its images under a symmetry."""
    united = mask.copy()
    for image in _IMAGES[name]:
        united |= image(mask)
    return united


def _grown(shape: tuple[int, int], density: float, name: str, connectivity: int) -> Mask:
    """A symmetric, connected mask that touches all edges, grown from one pixel by random neighbours.

    Growing stops when it is dense enough; in the end all pixels are taken, so that it always stops.
    """
    mask = np.zeros(shape, dtype=bool)
    mask[random.randrange(shape[0]), random.randrange(shape[1])] = True
    mask = _symmetric(mask, name)
    while not _finished(mask, density, connectivity):
        x, y = random.choice(np.argwhere(dilated(mask, connectivity) & ~mask).tolist())
        mask[x, y] = True
        mask = _symmetric(mask, name)
    return mask


def _finished(mask: Mask, density: float, connectivity: int) -> bool:
    if mask.all():
        return True
    touching = mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any()
    if not touching or mask.sum() < density * mask.size:
        return False
    return labelled(mask, connectivity)[1] == 1


def _coloured(mask: Mask, name: str, palette: Sequence[int], background: int) -> Array:
    """Colours a mask pixel by pixel from the palette, pixels that are images of each other alike."""
    sprite = np.full(mask.shape, background, dtype=int)
    left = mask.copy()
    while left.any():
        pixel = np.zeros_like(mask)
        pixel[tuple(np.argwhere(left)[0])] = True
        pixel = _symmetric(pixel, name)
        sprite[pixel] = random.choice(list(palette))
        left &= ~pixel
    return sprite


def random_free_location_for_sprite(
    grid: Array,
    sprite: Array,
    background: int = Color.BLACK,
    border_size: int = 0,
    padding: int = 0,
    padding_connectivity: int = 8,
) -> tuple[int, int]:
    """(x, y) at which the sprite fits on the grid and covers background only.

    The sprite keeps `border_size` pixels from the edges of the grid, and `padding` from everything on it, counted in
    steps of the given connectivity. Raises ValueError if there is no such place.
    """
    taken, drawn = foreground(grid, background), foreground(sprite, background, "sprite")
    taken = dilated(taken, padding_connectivity, whole(padding, "padding"))
    border = whole(border_size, "border_size")
    places = [
        (x, y)
        for x in range(border, taken.shape[0] - drawn.shape[0] - border + 1)
        for y in range(border, taken.shape[1] - drawn.shape[1] - border + 1)
        if not (taken[x : x + drawn.shape[0], y : y + drawn.shape[1]] & drawn).any()
    ]
    if not places:
        raise ValueError("random_free_location_for_sprite: no free location")
    return random.choice(places)
