"""Sources that no configuration names: they start with their first reader and end after the last."""

import json
from pathlib import Path

import framering
import pytest
from processes import Processes
from programs import MOVING, STILL, command, start_daemon, wait_until

OTHER = "test:111x77@50"


def sources(socket: Path) -> list[str]:
    return [stream["source"] for stream in json.loads(command(socket, "list", "--json").stdout)["streams"]]


def test_a_source_that_is_not_configured_is_started_shared_and_ended(
    processes: Processes, tmp_path: Path
) -> None:
    socket = tmp_path / "socket"
    start_daemon(processes, socket, "--source", STILL, "--linger-ms", "200")
    assert sources(socket) == [STILL]
    with (
        framering.open(OTHER, socket=socket) as first,
        framering.open("test:111x77@50.0", socket=socket) as second,
    ):
        assert (first.width, first.height) == (111, 77)
        assert first.next().epoch == second.next().epoch
        assert sources(socket) == [STILL, OTHER]
        assert command(socket, "grab", OTHER, "-o", tmp_path / "picture.png").returncode == 0
    wait_until(lambda: sources(socket) == [STILL])
    with framering.open(OTHER, socket=socket) as again:
        assert again.next().width == 111


def test_a_configured_source_runs_without_readers(processes: Processes, tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    start_daemon(processes, socket, "--source", MOVING, "--linger-ms", "0")
    for _ in range(3):
        with framering.open(MOVING, socket=socket) as stream:
            stream.next()
        assert sources(socket) == [MOVING]


def test_a_name_that_is_none_is_refused_with_the_grammar(processes: Processes, tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    start_daemon(processes, socket, "--source", STILL)
    with pytest.raises(framering.InvalidArgument, match="there is no such kind of source"):
        framering.open("desktop", socket=socket)
    result = command(socket, "grab", "window:title=(", "-o", tmp_path / "picture.png")
    assert result.returncode == 2
    assert "window:title=REGEX" in result.stderr
