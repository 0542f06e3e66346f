"""What the daemon counts, as a dict."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import framering
import pytest
from daemons import Daemon, program
from frames import FAST, STILL


def without_values(metrics: dict[str, Any]) -> Any:
    """The shape: names, types, labels, bounds."""
    return {
        name: (
            metric["type"],
            metric["help"],
            sorted((sorted(s["labels"].items()), sorted(s.get("buckets", {}))) for s in metric["samples"]),
        )
        for name, metric in metrics.items()
    }


def test_stats_are_what_the_command_prints(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("--source", STILL)
    with framering.connect(daemon.socket) as connection, connection.open(STILL) as stream:
        stream.next()
        stats = connection.stats()
        command = [program().removesuffix("d"), "--socket", daemon.socket, "stats", "--json"]
        printed = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
        assert without_values(stats) == without_values(printed)
        for name in ("framering_captures_total", "framering_frames_total", "framering_epochs_total"):
            assert stats[name]["samples"] == printed[name]["samples"], name
            assert stats[name]["samples"][0]["labels"] == {"source": STILL}


def test_stats_count_what_happens(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("--source", FAST)
    with framering.connect(daemon.socket) as connection, connection.open(FAST) as stream:

        def value(name: str) -> float:
            return float(connection.stats()[name]["samples"][0]["value"])

        first = value("framering_frames_total")
        for _ in range(10):
            stream.next()
        assert value("framering_frames_total") >= first + 9
        assert value("framering_clients") == 1
        [histogram] = connection.stats()["framering_capture_seconds"]["samples"]
        assert histogram["buckets"]["+Inf"] == histogram["count"] > 0


def test_a_closed_connection_has_no_stats(test_socket: str) -> None:
    connection = framering.connect(test_socket)
    connection.close()
    with pytest.raises(framering.StreamClosed):
        connection.stats()
