"""All primitives of the language, numbered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from solver.search import primitives
from solver.search.primitive import COLOUR_ARGS, Primitive, Type


def _collect() -> tuple[Primitive, ...]:
    modules = sorted(module.name for module in iter_modules(primitives.__path__))
    return tuple(
        primitive for name in modules for primitive in import_module(f"{primitives.__name__}.{name}").PRIMITIVES
    )


CATALOGUE = _collect()
"""A primitive's number is its place here. Sorted by module, in each module's own order."""


@dataclass(frozen=True, slots=True)
class Word:
    """A primitive with its argument. code: the primitive's number."""

    code: int
    arg: int

    @property
    def primitive(self) -> Primitive:
        return CATALOGUE[self.code]

    @property
    def cost(self) -> float:
        return self.primitive.cost

    def __str__(self) -> str:
        primitive = self.primitive
        return primitive.name if len(primitive.args) == 1 else f"{primitive.name}[{self.arg}]"


def words(kind: Type, colours: Iterable[int]) -> tuple[Word, ...]:
    """All words of a type for a task that shows these colours."""
    shown = frozenset(colours)
    return tuple(
        Word(code, arg)
        for code, primitive in enumerate(CATALOGUE)
        if primitive.type is kind
        for arg in primitive.args
        if primitive.args is not COLOUR_ARGS or arg in shown
    )
