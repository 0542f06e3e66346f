"""What is counted is what happens; it is told over the daemon's socket, a Unix socket and a local port."""

import contextlib
import http.client
import json
import os
import re
import socket as sockets
import subprocess
import time
from pathlib import Path
from typing import Any

import framering
import pytest
from desktop import start_server
from metrics import Metrics
from processes import Processes
from programs import ENV, MOVING, ROOT, STILL, command, listed, run, start_daemon, wait_until

DASHBOARD = ROOT / "packaging/grafana/framering.json"


def test_the_counts_of_a_stream_are_those_of_its_reader(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    start_daemon(processes, path, "--source", MOVING)
    assert Metrics.of(path).value("framering_captures_total", source=MOVING) == 0, "nobody reads"
    with framering.open(MOVING, socket=path, mode="every") as stream:
        frames = []
        while len(frames) < 30:
            with stream.next() as frame:
                frames.append(frame.sequence)
        told = Metrics.of(path)
        assert told.value("framering_readers", source=MOVING) == 1
        assert told.value("framering_frames_total", source=MOVING) >= frames[-1]
        assert told.value("framering_stream_width_pixels", source=MOVING) == 320
    wait_until(lambda: Metrics.of(path).value("framering_readers", source=MOVING) == 0)
    told = Metrics.of(path)
    stream_info = listed(path, MOVING)
    for name, key in (("captures", "captures"), ("frames", "published"), ("dropped_frames", "dropped")):
        assert told.value(f"framering_{name}_total", source=MOVING) == stream_info[key]
    assert told.value("framering_epochs_total", source=MOVING) == 1
    # Each frame of the test source moves a block: what changed is some of it, and all of the first.
    assert told.value("framering_captured_bytes_total", source=MOVING) >= 320 * 200 * 4
    assert told.value("framering_memory_bytes", source=MOVING, memory="host") >= 6 * 320 * 200 * 4


def test_the_times_of_all_frames_are_in_the_histograms(socket: Path) -> None:
    with framering.open(MOVING, socket=socket) as stream:
        for _ in range(20):
            stream.next().release()
    wait_until(lambda: Metrics.of(socket).value("framering_readers", source=MOVING) == 0)
    told = Metrics.of(socket)
    frames = told.value("framering_frames_total", source=MOVING)
    for name in ("upload", "publish", "frame_age"):
        assert told.types[f"framering_{name}_seconds"] == "histogram"
        assert told.value(f"framering_{name}_seconds_count", source=MOVING) == frames
    assert told.value("framering_capture_seconds_count", source=MOVING) == told.value(
        "framering_captures_total", source=MOVING
    )
    # Age is capture, upload and publishing together.
    parts = [told.value(f"framering_{name}_seconds_sum", source=MOVING) for name in ("upload", "publish")]
    capture = told.value("framering_capture_seconds_sum", source=MOVING)
    age = told.value("framering_frame_age_seconds_sum", source=MOVING)
    rounding = 1e-9
    assert sum(parts) - rounding <= age <= sum(parts) + capture + rounding


def test_drops_and_broken_leases_are_counted_for_the_client_that_caused_them(
    processes: Processes, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    source = "test:64x48@240"
    start_daemon(processes, path, "--source", source, "--slots", "3", "--lease-ms", "200")
    with framering.connect(path) as connection:
        stream = connection.open(source, max_leases=2)
        held = [stream.next(), stream.next()]
        labels = {"source": source, "pid": str(os.getpid()), "uid": str(os.getuid())}
        told = Metrics.of(path)
        assert told.value("framering_client_leases_held", **labels) == 2
        assert told.value("framering_leases_held", source=source) == 2
        wait_until(lambda: not all(frame.valid for frame in held))
        told = Metrics.of(path)
        drops = told.value("framering_client_drops_caused_total", **labels)
        broken = told.value("framering_client_leases_broken_total", **labels)
        assert drops > 0
        assert broken > 0
        assert told.value("framering_dropped_frames_total", source=source, reason="no_free_slot") > 0
        for frame in held:
            frame.release()
        stream.close()
    wait_until(lambda: Metrics.of(path).value("framering_readers", source=source) == 0)
    told = Metrics.of(path)
    assert told.value("framering_drops_caused_total", source=source) >= drops, "it is gone, what it did stays"
    assert told.value("framering_leases_broken_total", source=source) >= broken
    assert told.all("framering_client_leases_held", labels) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_denials_and_errors_are_counted_by_code(processes: Processes, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "socket"
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == 0 and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    start_daemon(processes, path, "--source", STILL)
    client = ROOT / "build/bin/framering"
    stranger = (
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        client,
        "--socket",
        path,
        "list",
    )
    before = Metrics.of(path)
    assert run(*stranger).returncode == 1
    with framering.connect(path) as connection:
        for _ in range(3):
            with pytest.raises(framering.InvalidArgument):
                connection.open("nothing")
    told = Metrics.of(path)

    def grown(name: str, **labels: str) -> float:
        return told.value(name, **labels) - before.value(name, **labels)

    assert grown("framering_denials_total", code="permission_denied") == 1
    assert grown("framering_denials_total", code="quota_exceeded") == 0
    assert grown("framering_errors_total", code="invalid_argument") == 3
    assert grown("framering_errors_total", code="internal") == 0
    assert grown("framering_connects_total") == 3, "the stranger, this one, and who asks"


def test_round_trips_to_the_x_server_are_counted_and_a_static_desktop_has_none(
    processes: Processes, tmp_path: Path
) -> None:
    _, display = start_server(processes, "64x48x24")
    path = tmp_path / "socket"
    start_daemon(processes, path, "--display", display)
    with framering.open("screen", socket=path) as stream:
        stream.next().release()
        first = Metrics.of(path).value("framering_source_round_trips_total", source="screen")
        assert first > 0
        env = {**ENV, "DISPLAY": display}
        # Each drawing takes one: the region that changed, whose answer says that it was copied too.
        for step in range(1, 6):
            subprocess.run(["xsetroot", "-solid", f"#0000{step * 16:02x}"], env=env, check=True)
            stream.next().release()
        drawn = Metrics.of(path)
        captures = drawn.value("framering_captures_total", source="screen")
        trips = drawn.value("framering_source_round_trips_total", source="screen")
        assert captures - 1 <= trips - first <= 2 * captures
        with pytest.raises(TimeoutError):
            stream.next(timeout=0.5)
        assert Metrics.of(path).value("framering_source_round_trips_total", source="screen") - trips <= 2


def test_as_json_it_is_the_same(socket: Path) -> None:
    result = command(socket, "stats", "--json")
    assert result.returncode == 0
    told = json.loads(result.stdout)
    types = Metrics.of(socket).types  # whose parser takes _total off a counter's name
    assert {name.removesuffix("_total"): family["type"] for name, family in told.items()} == types
    (width,) = [
        sample["value"]
        for sample in told["framering_stream_width_pixels"]["samples"]
        if sample["labels"] == {"source": MOVING}
    ]
    assert width == 320
    age = told["framering_frame_age_seconds"]["samples"][0]
    assert list(age) == ["labels", "buckets", "sum", "count"]
    assert age["buckets"]["+Inf"] == age["count"]
    assert list(age["buckets"].values()) == sorted(age["buckets"].values())


# --- over HTTP ---


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self) -> None:
        self.sock = sockets.socket(sockets.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self.path))


def free_port() -> int:
    with sockets.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def served(processes: Processes, tmp_path: Path) -> tuple[Path, Path, int]:
    """The daemon's socket, and where its metrics are."""
    path, metrics, port = tmp_path / "socket", tmp_path / "metrics", free_port()
    config = tmp_path / "framering.toml"
    config.write_text(f'[metrics]\nsocket = "{metrics}"\nport = {port}\n')
    start_daemon(processes, path, "--source", STILL, "--config", str(config))
    return path, metrics, port


def get(connection: http.client.HTTPConnection, target: str = "/metrics", method: str = "GET") -> Any:
    connection.request(method, target)
    response = connection.getresponse()
    return response, response.read().decode()


def test_prometheus_reads_a_unix_socket_and_a_local_port(served: tuple[Path, Path, int]) -> None:
    path, metrics, port = served
    for connection in (UnixConnection(metrics), http.client.HTTPConnection("127.0.0.1", port, timeout=20)):
        response, text = get(connection)
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert Metrics(text).names() == Metrics.of(path).names()


def test_the_port_is_on_this_machine_alone(served: tuple[Path, Path, int]) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    addresses = re.findall(rf"^ *\d+: (\w+):{served[2]:04X} \w+:0000 0A", listening, re.M)
    assert addresses == ["0100007F"]


def test_anything_but_get_metrics_is_refused(served: tuple[Path, Path, int]) -> None:
    for target, method, status in (("/", "GET", 404), ("/metrics", "POST", 405), ("/metrics/x", "GET", 404)):
        response, _ = get(UnixConnection(served[1]), target, method)
        assert response.status == status
    for nonsense in (b"\0" * 100, b"GET " + b"x" * 20000, b"hello\r\n\r\n"):
        with sockets.create_connection(("127.0.0.1", served[2]), timeout=20) as raw:
            raw.sendall(nonsense)
            with contextlib.suppress(ConnectionError):
                assert raw.recv(10) in (b"", b"HTTP/1.1 400")
    assert get(UnixConnection(served[1]))[0].status == 200


def test_scrapers_that_say_nothing_keep_nobody_out_for_long(served: tuple[Path, Path, int]) -> None:
    silent = [sockets.create_connection(("127.0.0.1", served[2]), timeout=20) for _ in range(20)]
    try:
        with framering.connect(served[0]) as connection:
            assert connection.list(), "clients do not notice"
        end = time.monotonic() + 30
        while True:
            try:
                assert get(http.client.HTTPConnection("127.0.0.1", served[2], timeout=20))[0].status == 200
                break
            except (ConnectionError, http.client.HTTPException):
                assert time.monotonic() < end
                time.sleep(0.1)
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_the_unix_socket_is_for_those_who_may_attach(served: tuple[Path, Path, int], tmp_path: Path) -> None:
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'GET /metrics HTTP/1.0\\r\\n\\r\\n'); print(s.recv(12))"
    )
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == 0 and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    other = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", script, served[1])
    told = run(*other)
    assert "HTTP/1" not in told.stdout
    assert "HTTP/1" in run("/usr/bin/python3", "-c", script, served[1]).stdout


def test_it_goes_away_with_the_daemon_and_a_dead_ones_socket_is_replaced(
    processes: Processes, tmp_path: Path
) -> None:
    config, metrics = tmp_path / "framering.toml", tmp_path / "metrics"
    config.write_text(f'[metrics]\nsocket = "{metrics}"\n')
    arguments = ("--source", STILL, "--config", str(config))
    first = start_daemon(processes, tmp_path / "one", *arguments)
    refused = run("frameringd", "--socket", tmp_path / "two", *arguments)
    assert refused.returncode == 3
    assert f"socket {metrics} is in use" in refused.stderr
    first.child.kill()
    first.child.wait(20)
    assert metrics.exists()
    second = start_daemon(processes, tmp_path / "two", *arguments)
    assert get(UnixConnection(metrics))[0].status == 200
    second.child.terminate()
    assert second.child.wait(20) == 0
    assert not metrics.exists()


# --- the dashboard ---


def test_every_name_and_label_of_the_dashboard_is_one_that_is_told(socket: Path) -> None:
    with framering.open(STILL, socket=socket) as stream:
        stream.latest().release()
        told = Metrics.of(socket)
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    legends = [target["legendFormat"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries = [variable["query"] for variable in dashboard["templating"]["list"]]
    used = set(re.findall(r"\bframering_\w+", " ".join((*expressions, *queries))))
    assert used - told.names() == set()
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told.names()}
    shown = {re.sub(r"_bucket$", "", name) for name in used}
    hidden = families - shown
    assert hidden == {
        "framering_build_info", "framering_stream_width_pixels", "framering_stream_height_pixels",
        "framering_leases_held", "framering_drops_caused_total", "framering_client_leases_broken_total",
    }, "the dashboard shows the rest"  # fmt: skip
    labels = {label for _, own, _ in told.samples for label in own}
    assert set(re.findall(r"\{\{(\w+)\}\}", " ".join(legends))) <= labels
    for expression, legend in zip(expressions, legends, strict=True):
        name = re.search(r"\bframering_\w+", expression)
        assert name
        own = next(own for found, own, _ in told.samples if found == name[0])
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= set(own), expression
