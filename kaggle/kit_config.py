"""kit.toml as data, checked. Knows nothing of what is generated from it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.preflight.machines import MACHINES


class ConfigError(Exception):
    """What is wrong with kit.toml, in one line that names the field."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """slug: the last part of its address; title: what Kaggle shows, 6 to 50 characters."""

    slug: str
    title: str


@dataclass(frozen=True, slots=True)
class Wheels:
    """requirements: what the notebook asks pip for, by package; versions: what is shipped; pythons: "3.12";
    cuda: "12.8"; glibc: minor versions of manylinux_2_*."""

    requirements: Mapping[str, str]
    versions: Mapping[str, str]
    pythons: tuple[str, ...]
    cuda: str
    glibc: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """bases: none for what is attached; hours: of the competition's run; options: more of submission.py's."""

    bases: tuple[str, ...]
    hours: float
    dry_run_minutes: float
    dry_run_tasks: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kit:
    """All of kit.toml. machine: Kaggle's name of the accelerator; models: addresses of attached models."""

    user: str
    competition: str
    title: str
    machine: str
    docker_image: str
    keywords: tuple[str, ...]
    models: tuple[str, ...]
    code: Dataset
    wheels_dataset: Dataset
    wheels: Wheels
    run: Run

    @property
    def slug(self) -> str:
        """The notebook's: Kaggle makes it from the title and wants the id to agree."""
        return slugify(self.title)


def slugify(title: str) -> str:
    """Kaggle's address for a title: lower case, everything but letters and digits becomes a hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def read_kit(path: Path) -> Kit:
    """Raises `ConfigError` naming the file and the field."""
    try:
        return parse_kit(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
    except KeyError as error:
        raise ConfigError(f"{path}: {error.args[0]}: is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path}: a field is of the wrong kind ({error})") from None


def parse_kit(content: Mapping[str, Any]) -> Kit:
    """The parsed TOML -> checked data. Raises `ConfigError` without the file's name, `KeyError` for a missing field."""
    kaggle, wheels, run = content["kaggle"], content["wheels"], content["run"]
    kit = Kit(
        user=kaggle["user"],
        competition=kaggle["competition"],
        title=kaggle["title"],
        machine=kaggle["machine"],
        docker_image=kaggle["docker_image"],
        keywords=tuple(kaggle["keywords"]),
        models=tuple(kaggle["models"]),
        code=Dataset(content["code"]["slug"], content["code"]["title"]),
        wheels_dataset=Dataset(wheels["slug"], wheels["title"]),
        wheels=Wheels(
            dict(wheels["requirements"]),
            dict(wheels["versions"]),
            tuple(wheels["pythons"]),
            wheels["cuda"],
            tuple(wheels["glibc"]),
        ),
        run=Run(
            _words(run["base"]),
            float(run["hours"]),
            float(run["dry_run_minutes"]),
            int(run["dry_run_tasks"]),
            tuple(run["options"]),
        ),
    )
    _check(kit)
    return kit


def _words(value: str | list[str]) -> tuple[str, ...]:
    """One word or several; none for ""."""
    return tuple(value) if isinstance(value, list) else tuple(filter(None, [value]))


def _check(kit: Kit) -> None:
    """What Kaggle would refuse, or silently take for something else."""
    for name, slug in (
        ("kaggle.user", kit.user),
        ("kaggle.competition", kit.competition),
        ("code.slug", kit.code.slug),
        ("wheels.slug", kit.wheels_dataset.slug),
    ):
        if slug != slugify(slug) or not slug:
            raise ConfigError(f"{name}: {slug!r} is no address: lower-case letters, digits and hyphens")
    for name, title in (
        ("kaggle.title", kit.title),
        ("code.title", kit.code.title),
        ("wheels.title", kit.wheels_dataset.title),
    ):
        if not 6 <= len(title) <= 50:
            raise ConfigError(f"{name}: {title!r} must have 6 to 50 characters")
    for model in kit.models:
        if len(model.split("/")) != 5:
            raise ConfigError(f"kaggle.models: {model!r} is not owner/model/framework/variation/version")
    if kit.machine not in ("", *MACHINES):
        raise ConfigError(f"kaggle.machine: {kit.machine!r} is none of {', '.join(MACHINES)}")
    if kit.docker_image not in ("original", "latest"):
        raise ConfigError(f"kaggle.docker_image: {kit.docker_image!r} is not original or latest")
    for package in kit.wheels.requirements:
        if package not in kit.wheels.versions:
            raise ConfigError(f"wheels.versions: {package} is required, but no version of it is shipped")
    if not 0 < kit.run.hours < 12:
        raise ConfigError(f"run.hours: {kit.run.hours} must lie between 0 and 12")
