"""Programs of random calls, run with the real mss and with framering.mss: the same outcomes step by step.

A failure prints the program; its seed is the test's number.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mss_sides import HEIGHT, SIDES, WIDTH, facts, noise_screen, outcome

PROGRAMS, STEPS = 12, 50


@pytest.fixture(scope="module", autouse=True)
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with noise_screen(tmp_path_factory.mktemp("noise")) as display:
        yield display


@dataclass
class State:
    """What a program has on one side."""

    sct: Any
    shots: list[Any] = field(default_factory=list)


# Of a side's module and, by name, its state.
Call = Callable[..., Any]


def region(dice: random.Random) -> Any:
    """Most inside, some beyond an edge, some without a size, some that are none."""
    left, top = dice.randint(-4, WIDTH), dice.randint(-4, HEIGHT)
    width, height = dice.randint(0, WIDTH // 2), dice.randint(0, HEIGHT // 2)
    if dice.random() < 0.6:
        left, top = max(0, min(left, WIDTH - width)), max(0, min(top, HEIGHT - height))
    fields: dict[str, Any] = {"left": left, "top": top, "width": width, "height": height}
    if dice.random() < 0.1:
        fields[dice.choice(list(fields))] = dice.choice([1.5, "3", None, np.int64(7), np.int32(4)])
    kind = dice.choice(["box", "box", "fields", "fields", "more", "longer", "list", "less"])
    if kind == "less":
        del fields[dice.choice(list(fields))]
    elif kind == "more":
        fields = {"mon": 1, **dict(dice.sample(list(fields.items()), 4)), "name": "x"}
    elif kind != "fields":
        box = (left, top, left + width, top + height)
        return list(box) if kind == "list" else (*box, 9) if kind == "longer" else box
    return fields


def opening(dice: random.Random) -> tuple[str, Call]:
    options = {
        "compression_level": dice.choice([0, 1, 6, 9, -1, 10, "x", None]),
        "with_cursor": dice.choice([True, False]),
        "backend": dice.choice(["default", "XGetImage", "xshmgetimage", "gdi", "", 3, None]),
        "max_displays": dice.choice([1, 0, None]),
        "display": dice.choice([None, "", b""]),
        "nothing": 1,
    }
    chosen = {name: options[name] for name in options if dice.random() < (0.05 if name == "nothing" else 0.3)}
    name = dice.choice(["MSS", "MSS", "mss"])

    def call(side: Any, state: State) -> None:
        opened = getattr(side, name)(**chosen)
        state.sct.close()
        state.sct = opened

    return f"{name}(**{chosen})", call


def grabbing(dice: random.Random) -> tuple[str, Call]:
    number, where = dice.choice([None, None, None, 0, 1, 2, 3, -1]), region(dice)

    def call(side: Any, state: State) -> Any:
        shot = state.sct.grab(where if number is None else state.sct.monitors[number])
        state.shots.append(shot)
        return facts(shot)

    return f"grab({where if number is None else f'monitors[{number}]'})", call


def saving(dice: random.Random) -> tuple[str, Call]:
    patterns = ["monitor-{mon}.png", "{mon:03}.png", "{top}_{left}_{width:>5}_{height}.png", "x", "", 7]
    patterns += ["{date:%Y}.png", "{nothing}.png", "{mon", "none/x.png", "{0}.png", Path("x.png")]
    options: dict[str, Any] = {"mon": dice.choice([0, 1, 2, -1, 3, -2, -3, -4, True, "1", None])}
    options |= {"output": dice.choice(patterns)} if dice.random() < 0.8 else {}
    told = dice.choice(["nobody", "a list", "one that raises"])
    limit = dice.choice([1, 9])

    def call(side: Any, state: State) -> Any:
        names: list[str] = []
        if told == "a list":
            options["callback"] = names.append
        elif told == "one that raises":
            options["callback"] = lambda name: (_ for _ in ()).throw(ZeroDivisionError(name))
        if limit == 1 and told == "nobody":
            return state.sct.shot(**options)
        return names, [name for name, _ in zip(state.sct.save(**options), range(limit), strict=False)]

    return f"save(**{options}), told {told}, {limit}", call


MONITORS: dict[str, Callable[[Any], Any]] = {
    "fields": lambda sct: [dict(monitor) for monitor in sct.monitors],
    "unpacked": lambda sct: ["{width}x{height}".format(**monitor) for monitor in sct.monitors],
    "primary": lambda sct: dict(sct.primary_monitor),
    "kept": lambda sct: sct.monitors is sct.monitors,
    "keys": lambda sct: [sorted(monitor.keys()) for monitor in sct.monitors],
    "values": lambda sct: [list(map(str, monitor.values())) for monitor in sct.monitors],
    "get": lambda sct: [monitor.get(key, 7) for monitor in sct.monitors for key in ("is_primary", "x")],
    "equal": lambda sct: [one == other for one in sct.monitors for other in (*sct.monitors, dict(one))],
    "index": lambda sct: sct.monitors.index(sct.monitors[2]),
    "unknown": lambda sct: sct.monitors[1]["nothing"],
}
SHOT: dict[str, Callable[[Any, int, int], Any]] = {
    "pixel": lambda shot, x, y: shot.pixel(x, y),
    "pixel of floats": lambda shot, x, y: shot.pixel(float(x), y),
    "rows": lambda shot, x, y: (len(shot.pixels), shot.pixels[0][0], shot.pixels[-1][-1], type(shot.pixels)),
    "rgb": lambda shot, x, y: (len(shot.rgb), shot.rgb[0], bytes(shot.rgb[x:y]), shot.rgb == bytes(shot.rgb)),
    "bgra": lambda shot, x, y: (len(shot.bgra), bytes(shot.bgra[::4]), bytearray(shot.bgra)),
    "size": lambda shot, x, y: (shot.size, shot.pos, shot.size.width, shot.pos.top, str(shot)),
    "equal": lambda shot, x, y: (shot == shot, shot == "x", hash(shot) == hash(shot), bool(shot)),
    "width": lambda shot, x, y: setattr(shot, "width", 5),
    "interface": lambda shot, x, y: {**shot.__array_interface__, "data": None},
    "array": lambda shot, x, y: (np.array(shot).sum(), np.asarray(shot)[y % shot.height].tobytes()),
}


def reading(dice: random.Random) -> tuple[str, Call]:
    what, x, y, number = (
        dice.choice(list(SHOT)),
        dice.randint(-3, 50),
        dice.randint(-3, 50),
        dice.randrange(9),
    )

    def call(side: Any, state: State) -> Any:
        return SHOT[what](state.shots[number % len(state.shots)], x, y) if state.shots else None

    return f"{what} of shot {number}, {x}, {y}", call


def asking(dice: random.Random) -> tuple[str, Call]:
    what = dice.choice(list(MONITORS))
    return f"monitors, {what}", lambda side, state: MONITORS[what](state.sct)


def setting(dice: random.Random) -> tuple[str, Call]:
    name, value = dice.choice(["compression_level", "with_cursor", "monitors"]), dice.randint(-2, 10)
    return f"{name} = {value}", lambda side, state: setattr(state.sct, name, value)


def ending(dice: random.Random) -> tuple[str, Call]:
    how = dice.choice(["close", "leave", "fail"])

    def call(side: Any, state: State) -> None:
        if how == "close":
            return state.sct.close()
        with state.sct:
            assert how == "leave", "the body's own"

    return how, call


KINDS = [opening, opening, grabbing, grabbing, grabbing, saving, asking, reading, reading, setting, ending]


def files(folder: Path) -> dict[str, bytes]:
    """What was written there, which is removed."""
    written = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    for name in written:
        (folder / name).unlink()
    return written


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_program_has_the_same_outcome_at_every_step(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    states = [State(side.MSS()) for side in SIDES]
    done = 0
    for _ in range(STEPS):
        text, call = dice.choice(KINDS)(dice)
        print(text)
        results = []
        for side, state in zip(SIDES, states, strict=True):
            folder = tmp_path / side.__name__
            folder.mkdir(exist_ok=True)
            monkeypatch.chdir(folder)
            result = outcome(side, functools.partial(call, state=state))
            results.append((result, files(folder)))
        (theirs, their_files), (ours, our_files) = results
        # X's and ctypes' own words, where MSS passes them on.
        if theirs.error in (TypeError, AttributeError) or theirs.message.startswith(
            ("X11", "Requested capture")
        ):
            ours.message = theirs.message
        assert ours == theirs
        assert our_files == their_files
        done += ours.error is None
    for state in states:
        state.sct.close()
    assert done > STEPS // 4
