"""Daemons for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Processes
from programs import MOVING, STILL, WIDE, Screen, start_daemon


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes() as started:
        yield started


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a daemon that offers STILL, MOVING and WIDE."""
    path = tmp_path_factory.mktemp("daemon") / "socket"
    with Processes() as started:
        start_daemon(started, path, *(word for name in (STILL, MOVING, WIDE) for word in ("--source", name)))
        yield path


@pytest.fixture
def screen(processes: Processes, tmp_path: Path) -> Screen:
    return Screen(processes, tmp_path)
