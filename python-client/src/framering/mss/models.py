"""Rectangles, as MSS names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Pos(NamedTuple):
    """Pixels from the top left corner of the desktop."""

    left: int
    top: int


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


class _Fields(Mapping[str, Any]):
    """Fields by attribute and, as the dicts of MSS 10 had them, by key; a key is there if it is not None."""

    __slots__ = ()
    __dataclass_fields__: dict[str, Any]

    def __getitem__(self, key: str, /) -> Any:
        if key not in self.__dataclass_fields__:
            raise KeyError(key)
        return getattr(self, key)

    def get(self, key: str, default: Any = None, /) -> Any:
        """The field, or ``default`` where it is None."""
        return getattr(self, key) if key in self else default

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.__dataclass_fields__ if getattr(self, name) is not None)

    def __contains__(self, key: object) -> bool:
        return key in self.__dataclass_fields__ and getattr(self, str(key)) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(slots=True, eq=False)
class Region(_Fields):
    """A rectangle of the desktop in pixels; it may be changed."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Monitor(_Fields):
    """A monitor in pixels of the desktop. None means that the X server does not tell.

    ``name`` is the model, ``unique_id`` what its EDID says of the device, ``output`` the name that xrandr
    uses.
    """

    left: int
    top: int
    width: int
    height: int
    is_primary: bool | None = None
    name: str | None = None
    unique_id: str | None = None
    output: str | None = None

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def as_region(self) -> Region:
        """Its rectangle alone."""
        return Region(self.left, self.top, self.width, self.height)


Monitors = list[Monitor]
Pixel = tuple[int, int, int]
Pixels = list[tuple[Pixel, ...]]
