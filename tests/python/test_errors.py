"""Wrong arguments and missing daemons: an exception of the right kind that says what to do."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import framering
import pytest
from framering import _errors
from frames import FAST

KINDS = [
    framering.Disconnected,
    framering.InvalidArgument,
    framering.LeaseLimit,
    framering.MemoryUnavailable,
    framering.NotFound,
    framering.PermissionDenied,
    framering.QuotaExceeded,
    framering.StreamClosed,
    framering.StreamEnded,
    framering.Unavailable,
]


def test_exceptions_are_also_what_python_calls_them() -> None:
    also = {
        framering.Disconnected: ConnectionError,
        framering.InvalidArgument: ValueError,
        framering.NotFound: LookupError,
        framering.PermissionDenied: PermissionError,
    }
    for kind in KINDS:
        assert issubclass(kind, framering.Error)
        assert issubclass(kind, also.get(kind, Exception))


@pytest.mark.parametrize("kind", [framering.Error, *KINDS])
def test_exceptions_cross_process_borders_whole(kind: type[framering.Error]) -> None:
    error = kind("what failed", "what to do", "timeout")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (twin.message, twin.hint, twin.code) == ("what failed", "what to do", "timeout")
        assert str(twin) == "what failed (what to do)"


def test_without_a_daemon_the_hint_says_how_to_start_one(tmp_path: Path) -> None:
    for call in (framering.connect, lambda socket: framering.open(socket=socket)):
        with pytest.raises(framering.Unavailable) as caught:
            call(tmp_path / "socket")
        assert caught.value.code == "unavailable"
        assert str(tmp_path / "socket") in str(caught.value)
        assert "frameringd" in caught.value.hint


def test_the_socket_may_come_from_the_environment(test_socket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMERING_SOCKET", test_socket)
    with framering.connect() as connection:
        assert [stream.source for stream in connection.list()]
    monkeypatch.setenv("FRAMERING_SOCKET", test_socket + "-elsewhere")
    with pytest.raises(framering.Unavailable, match="elsewhere"):
        framering.connect()


def test_what_names_no_source_is_refused_and_the_hint_lists_what_does(test_socket: str) -> None:
    with pytest.raises(framering.InvalidArgument) as caught:
        framering.open("nothing", socket=test_socket)
    assert '"nothing"' in str(caught.value)
    assert "screen, monitor:NAME" in caught.value.hint


def test_memory_that_the_daemon_lacks_is_refused_rather_than_replaced(test_socket: str) -> None:
    for memory in ("cuda", "cuda-ipc"):
        with pytest.raises(framering.MemoryUnavailable):
            framering.open(FAST, memory=memory, socket=test_socket)
    with framering.open(FAST, memory="host", socket=test_socket) as stream:
        assert stream.memory == "host"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"memory": "gpu"}, '"auto", "host", "cuda", "cuda-ipc", not "gpu"'),
        ({"mode": "newest"}, '"latest", "every", not "newest"'),
        ({"max_leases": 0}, "1 to 16, not 0"),
        ({"max_leases": 17}, "1 to 16, not 17"),
        ({"max_leases": -1}, "1 to 16, not -1"),
        ({"max_fps": -1.0}, "max_fps"),
        ({"max_fps": math.nan}, "max_fps"),
        ({"max_fps": math.inf}, "max_fps"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(
    test_socket: str, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(framering.InvalidArgument) as caught:
        framering.open(FAST, socket=test_socket, **arguments)
    assert says in str(caught.value)


def listed(error: Exception) -> tuple[str, ...]:
    """The words that an error says are right."""
    right, _, _ = str(error).partition(", not ")
    return tuple(re.findall(r'"([^"]+)"', right))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("memory", ("auto", *get_args(framering.Memory))),
        ("mode", get_args(framering.Mode)),
        ("cursor", get_args(framering.CursorMode)),
    ],
)
def test_the_words_of_an_option_are_those_of_its_type(
    test_socket: str, option: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(framering.InvalidArgument) as refused:
        framering.open(FAST, socket=test_socket, **{option: "other"})  # type: ignore[arg-type]
    assert listed(refused.value) == words


@pytest.mark.parametrize(
    ("argument", "kind"),
    [("channels", framering.Channels), ("layout", framering.Layout), ("resize", framering.Resize)],
)
def test_the_words_of_a_conversion_are_those_of_its_type(test_socket: str, argument: str, kind: Any) -> None:
    with framering.open(FAST, socket=test_socket) as stream, stream.latest() as frame:
        with pytest.raises(framering.InvalidArgument) as refused:
            frame.to_numpy(**{argument: "other"})
        assert listed(refused.value) == get_args(kind)
        for word in get_args(kind):
            assert frame.to_numpy(**{argument: word}).size > 0


def test_every_error_has_a_code_of_the_type() -> None:
    codes = {code for code, _ in _errors._BY_NUMBER.values()} | {"closed"}
    assert codes == set(get_args(framering.ErrorCode))


@pytest.mark.parametrize(
    "arguments",
    [{"source": 1}, {"memory": None}, {"mode": b"latest"}, {"max_leases": "2"}, {"max_fps": "60"}],
)
def test_a_value_of_the_wrong_type_is_a_type_error(test_socket: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        framering.open(**{"source": FAST, "socket": test_socket, **arguments})


def test_objects_are_made_by_open_alone() -> None:
    for kind in (framering.Connection, framering.Stream, framering.Frame):
        with pytest.raises(TypeError):
            kind()


def test_a_closed_connection_says_so_and_leaves_its_streams(test_socket: str) -> None:
    connection = framering.connect(test_socket)
    stream = connection.open(FAST)
    assert not connection.closed
    connection.close()
    connection.close()
    assert connection.closed
    assert "closed" in repr(connection)
    for call in (connection.list, lambda: connection.open(FAST)):
        with pytest.raises(framering.StreamClosed, match="connection was closed"):
            call()
    assert stream.next(timeout=5).sequence > 0


def test_nothing_can_be_pickled_and_the_message_says_what_to_do(test_socket: str) -> None:
    with framering.connect(test_socket) as connection, connection.open(FAST) as stream:
        what_to_do = {
            connection: "connect",
            stream: "open the stream",
            stream.latest(): r"frame\.handle\(\)",
        }
        for thing, advice in what_to_do.items():
            for ask in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match=f"cannot be pickled: .*{advice}"):
                    ask(thing)


def test_reprs_say_what_it_is(test_socket: str) -> None:
    with (
        framering.connect(test_socket) as connection,
        connection.open(FAST, mode="every") as stream,
    ):
        frame = stream.next()
        assert repr(connection).startswith(
            f"<framering.Connection to frameringd {framering.__version__}, pid "
        )
        assert repr(stream) == "<framering.Stream 'test:64x48@240': 64x48 BGRX8888 host, every>"
        assert repr(frame) == f"<framering.Frame {frame.sequence}: 64x48 BGRX8888 host>"


def test_list_tells_streams_and_who_reads_them(test_socket: str) -> None:
    with (
        framering.connect(test_socket) as connection,
        connection.open(FAST, max_leases=3) as stream,
    ):
        frames = [stream.next(), stream.next()]
        (info,) = (info for info in connection.list() if info.source == stream.source)
        assert (info.available, info.reason) == (True, "")
        assert (info.width, info.height, info.format, info.memory) == (64, 48, "BGRX8888", "host")
        assert info.slot_count > 3
        assert info.epoch == stream.epoch == frames[0].epoch
        assert info.published >= frames[1].sequence
        (client,) = info.clients
        assert (client.leases_held, client.leases_broken) == (2, 0)
        assert isinstance(client, framering.ClientInfo)


def test_a_streams_facts_are_what_was_asked_for_and_what_there_is(test_socket: str) -> None:
    with framering.open(FAST, mode="every", max_leases=5, socket=test_socket) as stream:
        assert (stream.source, stream.mode, stream.max_leases) == (FAST, "every", 5)
        assert (stream.width, stream.height, stream.shape) == (64, 48, (48, 64, 4))
        assert (stream.format, stream.memory, stream.missed, stream.closed) == ("BGRX8888", "host", 0, False)
        assert stream.lease_ms == 1000


def test_the_wrong_call_does_not_harm_the_next(test_socket: str) -> None:
    refusals: list[Callable[[framering.Connection], object]] = [
        lambda connection: connection.open("none"),
        lambda connection: connection.open(FAST, memory="cuda"),
        lambda connection: connection.open(FAST, max_fps=-1),
    ]
    with framering.connect(test_socket) as connection:
        for refusal in refusals:
            with pytest.raises(framering.Error):
                refusal(connection)
        assert connection.open(FAST).next(timeout=5).sequence > 0
