"""What the daemon tells about its streams and clients, and the words that options take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

PixelFormat = Literal["BGRX8888", "RGBX8888", "XRGB2101010", "RGB565", "BGRA8888"]
Memory = Literal["host", "cuda", "cuda-ipc"]
Mode = Literal["latest", "every"]
CursorMode = Literal["hidden", "metadata", "embedded"]
Channels = Literal["RGB", "BGR", "GRAY"]
Layout = Literal["HWC", "CHW"]
Resize = Literal["nearest", "bilinear", "area"]


class _HasCudaStream(Protocol):
    @property
    def cuda_stream(self) -> int: ...


class _HasPtr(Protocol):
    @property
    def ptr(self) -> int: ...


# Anything with the buffer protocol: bytes, bytearray, memoryview, an array.
Buffer = Any
# x, y, width, height in pixels.
Region4 = tuple[int, int, int, int]

# torch.cuda.Stream, cupy.cuda.Stream, or the number of a stream.
CudaStream = int | _HasCudaStream | _HasPtr


class Rect(NamedTuple):
    """A rectangle in pixels, origin top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CursorShape:
    """A picture of the pointer: ``height`` rows of ``width`` pixels, the hot spot at ``hot_x``, ``hot_y``.

    ``pixels`` are bytes B, G, R, A, premultiplied with alpha. A picture of more than 128 pixels is cut, as
    far from the hot spot as can be. ``serial`` is the same for the same picture, within an epoch.
    """

    serial: int
    width: int
    height: int
    hot_x: int
    hot_y: int
    pixels: bytes

    def numpy(self) -> NDArray[Any]:
        """The pixels as a read-only array, (height, width, 4) uint8."""
        import numpy

        return numpy.frombuffer(self.pixels, numpy.uint8).reshape(self.height, self.width, 4)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the pointer is, in pixels of the frame (it may lie outside), and what it looks like.

    ``visible``: something of it shows in the frame. ``shape`` is None where it changed so often meanwhile
    that the daemon no longer has this one.
    """

    x: int
    y: int
    visible: bool
    shape: CursorShape | None


@dataclass(frozen=True, slots=True)
class DesktopState:
    """Why nobody sees or uses the desktop now; several may hold.

    Of one that is locked or away there are no frames; what is blanked goes on.

    ``blanked``: its screens are dark, by the screen saver or DPMS. ``locked``: a password is asked for.
    ``away``: the seat shows another session, or the daemon waits to be told whether it does. False, too, for
    what it cannot know.
    """

    blanked: bool
    locked: bool
    away: bool


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """A process that reads a stream.

    ``drops_caused`` counts frames that found no free slot while this client held one, ``leases_broken``
    the leases that were taken back from it after the guaranteed time, and ``confirmations_asked`` how often
    ``Stream.wait_until()`` had to ask.
    """

    pid: int
    uid: int
    name: str
    leases_held: int
    drops_caused: int
    leases_broken: int
    confirmations_asked: int


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream that the daemon offers.

    ``source`` is what ``open()`` takes; ``reason`` says why it is not available, if it is not. ``width`` and
    ``height`` are pixels, ``max_fps`` frames a second. ``captures`` counts how often the source was asked for
    pixels, ``published`` frames, ``dropped`` changes that found no free slot in time. ``clients`` may be
    fewer than ``client_count``: a list names 256 over all streams.
    """

    source: str
    available: bool
    reason: str
    epoch: int
    width: int
    height: int
    format: PixelFormat
    memory: Memory
    slot_count: int
    max_fps: float
    captures: int
    published: int
    dropped: int
    client_count: int
    clients: list[ClientInfo]


@dataclass(frozen=True, slots=True)
class MonitorInfo:
    """A monitor of the desktop.

    ``name`` is RandR's, ``output`` that of its output, the primary one if it is among several. ``x``, ``y``,
    ``width`` and ``height`` are pixels of the desktop, ``order`` its place among all as the X server tells
    them, from 0. ``refresh_hz``, ``width_mm`` and ``height_mm`` are 0 where they are not told; ``scale`` is
    how large programs are asked to draw (Xft.dpi of the X resources / 96, else 1). ``make`` (three letters)
    and ``model`` are what its EDID says, ``edid`` its base block: 128 bytes, or none.
    """

    name: str
    output: str
    x: int
    y: int
    width: int
    height: int
    primary: bool
    order: int
    refresh_hz: float
    scale: float
    width_mm: int
    height_mm: int
    make: str
    model: str
    edid: bytes

    @property
    def source(self) -> str:
        """What open() takes: "monitor:HDMI-1"."""
        return f"monitor:{self.name}"


@dataclass(frozen=True, slots=True)
class WindowInfo:
    """A window of the desktop.

    ``title``, ``class_name`` and ``instance`` are what its program says, printable and at most 256 bytes of
    UTF-8. ``pid`` is 0 where it is not told. ``x``, ``y``, ``width`` and ``height`` are pixels of the
    desktop, without border and decoration. ``active``: it has the focus. ``workspace`` counts from 0; None:
    on all of them, or not told.
    """

    id: int
    title: str
    class_name: str
    instance: str
    pid: int
    x: int
    y: int
    width: int
    height: int
    mapped: bool
    minimised: bool
    active: bool
    workspace: int | None

    @property
    def source(self) -> str:
        """What open() takes: "window:0x1a00007"."""
        return f"window:{self.id:#x}"


@dataclass(frozen=True, slots=True)
class Desktop:
    """The display that a daemon captures, as far as its policy lets this user see it.

    ``monitors``: monitor:1, monitor:2 ...; ``windows``: the topmost first, 128 at most of ``window_count``.
    ``monitors_withheld`` and ``windows_withheld`` say why there are none, where the policy or the X server
    does not tell of them.
    """

    display: str
    width: int
    height: int
    monitors: list[MonitorInfo]
    windows: list[WindowInfo]
    window_count: int
    monitors_withheld: str
    windows_withheld: str


@dataclass(frozen=True, slots=True)
class StreamStats:
    """How the frames came that a stream has returned.

    ``frames`` counts them, one that was returned again once. ``fps`` and the ages are of the last 512:
    frames a second, and the milliseconds from the request of the capture until it was returned, median and
    99 %. ``missed`` is ``Stream.missed``, ``leases_held`` the frames that are held now.
    """

    frames: int
    fps: float
    age_p50_ms: float
    age_p99_ms: float
    missed: int
    leases_held: int
