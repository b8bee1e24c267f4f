"""Scenarios: what breaks in which city, when and where, told in a YAML file; and a gallery of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.asset import Asset
from core.errors import InputFileError
from simulators.city import NAMES, City
from simulators.fault import Fault, FaultError, FaultKind
from simulators.faults import LARGEST_MAGNITUDE, check_fault

_FOLDER = "simulators.scenarios"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Where(_Part):
    """One asset of a kind: the n-th of the registry, or the nearest to where something else breaks."""

    kind: str
    number: int | None = Field(None, ge=1)
    nearest_to: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "_Where":
        if (self.number is None) == (self.nearest_to is None):
            raise ValueError("an asset is chosen by number or by nearest_to")
        return self


class _Break(_Part):
    kind: FaultKind
    asset: str | _Where
    after: timedelta = Field(ge=timedelta(0))
    lasts: timedelta = Field(gt=timedelta(0))
    magnitude: float = Field(1.0, gt=0, le=LARGEST_MAGNITUDE)
    name: str = ""


class _Told(_Part):
    title: str
    text: str
    city: str
    days: float = Field(gt=0)
    faults: tuple[_Break, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_city(self) -> "_Told":
        if self.city not in NAMES:
            raise ValueError(f"city '{self.city}' is none of: {', '.join(NAMES)}")
        return self


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story of faults.

    Attributes
    ----------
    name
        Of its file, without ending.
    title, text
        For people.
    city
        Name of the city that it plays in.
    days
        How long it takes, calm before and after included.
    """

    name: str
    title: str
    text: str
    city: str
    days: float
    _breaks: tuple[_Break, ...]

    def faults(self, city: City, start: datetime) -> tuple[Fault, ...]:
        """Return what breaks when the story begins at an event time, in the order in which it is told.

        Raises
        ------
        FaultError
            If an asset is not in the city, or cannot break in that way.
        """
        placed: dict[str, Asset] = {}
        found = []
        for one in self._breaks:
            asset = _asset(city, one.asset, placed)
            placed[one.name or one.kind.value] = asset
            begin = start + one.after
            fault = Fault(one.kind, asset.name, begin, begin + one.lasts, one.magnitude)
            check_fault(city, fault)
            found.append(fault)
        return tuple(found)


def gallery() -> tuple[str, ...]:
    """Return the names of the scenarios that come with City Vigil, in alphabetical order."""
    files = resources.files(_FOLDER).iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def read_scenario(name_or_path: str) -> Scenario:
    """Read a scenario of the gallery by its name, or any by its path.

    Raises
    ------
    InputFileError
        If there is none, or it makes no sense.
    """
    if name_or_path in gallery():
        return _parsed(name_or_path, resources.files(_FOLDER).joinpath(f"{name_or_path}.yaml").read_text("utf-8"))
    path = Path(name_or_path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        known = ", ".join(gallery())
        raise InputFileError(name_or_path, None, f"is no file that can be read, nor one of: {known}") from exc
    return _parsed(str(path), text)


def _parsed(source: str, text: str) -> Scenario:
    try:
        told = _Told.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as exc:
        line = None if exc.problem_mark is None else exc.problem_mark.line + 1
        raise InputFileError(source, line, str(exc.problem)) from exc
    except yaml.YAMLError as exc:
        raise InputFileError(source, None, str(exc)) from exc
    except ValidationError as exc:
        raise InputFileError(source, None, "; ".join(_complaint(error) for error in exc.errors())) from exc
    return Scenario(Path(source).stem, told.title, told.text.strip(), told.city, told.days, told.faults)


def _complaint(error: Mapping[str, Any]) -> str:
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}".removeprefix(": ")


def _asset(city: City, where: str | _Where, placed: Mapping[str, Asset]) -> Asset:
    if isinstance(where, str):
        found = next((asset for asset in city.assets if asset.name == where), None)
        if found is None:
            raise FaultError(f"there is no asset '{where}' in the city {city.name}")
        return found
    of_kind = [asset for asset in city.assets if asset.kind == where.kind]
    if where.number is not None:
        if where.number > len(of_kind):
            raise FaultError(f"the city {city.name} has {len(of_kind)} assets of kind {where.kind}, not {where.number}")
        return of_kind[where.number - 1]
    beside = placed.get(str(where.nearest_to))
    if beside is None:
        raise FaultError(f"nothing named '{where.nearest_to}' breaks before")
    return _nearest(of_kind, beside, where.kind)


def _nearest(assets: Sequence[Asset], beside: Asset, kind: str) -> Asset:
    """Return which of some assets is nearest to another; the first of those that are equally near."""
    if beside.place is None:
        raise FaultError(f"{beside.name} has no place, so nothing is nearest to it")
    latitude, longitude = beside.place.latitude, beside.place.longitude
    east = math.cos(math.radians(latitude))
    standing = [(asset, asset.place) for asset in assets if asset.place is not None]
    if not standing:
        raise FaultError(f"no asset of kind {kind} has a place")
    return min(
        standing,
        key=lambda one: math.hypot(one[1].latitude - latitude, (one[1].longitude - longitude) * east),
    )[0]
