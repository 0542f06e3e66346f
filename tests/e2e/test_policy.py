"""Who may read what, as clients of other users meet it, and what a reload changes for those attached."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import framering
import pytest
from desktop import start_server
from processes import Process, Processes
from programs import ENV, STILL, command, run, start_daemon, wait_until

MOVING, OTHER = "test:320x200@60", "test:64x48@60"
USER, STRANGER = 65533, 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


def rule(quota: str = "", **keys: Any) -> str:
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
    return f"[[policy]]\n{text}" + (f"quota = {{ {quota} }}\n" if quota else "")


class Daemon:
    """Its configuration can be changed; its folder is open to all."""

    def __init__(self, processes: Processes, folder: Path, policy: str, *arguments: str) -> None:
        for place in (folder, *folder.parents[:3]):
            if place != Path("/tmp") and place.stat().st_uid == 0:
                place.chmod(place.stat().st_mode | 0o011)
        self.socket, self.config = folder / "socket", folder / "framering.toml"
        self.config.write_text(policy)
        sources = [word for name in (STILL, MOVING, OTHER) for word in ("--source", name)]
        self.process: Process = start_daemon(
            processes, self.socket, *sources, "--config", str(self.config), *arguments
        )

    def as_user(self, uid: int, *arguments: object, groups: str = "") -> "subprocess.CompletedProcess[str]":
        become = [f"--reuid={uid}", f"--regid={uid}", f"--groups={groups}" if groups else "--clear-groups"]
        program = Path(ENV["PATH"].split(":")[0]) / "framering"
        return run("setpriv", *become, program, "--socket", self.socket, *arguments)

    def may_read(self, uid: int, source: str, **options: str) -> bool:
        result = self.as_user(uid, "grab", source, "-o", "/dev/null", **options)
        assert result.returncode == 0 or "rule" in result.stderr or "may not attach" in result.stderr, result
        return bool(result.returncode == 0)

    @contextlib.contextmanager
    def watched_by(self, uid: int, source: str) -> "Iterator[subprocess.Popen[str]]":
        words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "framering"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        arguments = ["--socket", str(self.socket), "watch", source, "--json"]
        with subprocess.Popen([*words, *arguments], env=ENV, **pipes) as child:
            try:
                assert child.stdout
                assert json.loads(child.stdout.readline())["frames"] > 0
                yield child
            finally:
                child.kill()


@pytest.fixture
def start(processes: Processes, tmp_path: Path) -> Any:
    return lambda policy, *arguments: Daemon(processes, tmp_path, policy, *arguments)


def test_without_rules_only_root_may(start: Any) -> None:
    daemon = start("")
    assert not daemon.may_read(USER, MOVING)
    assert command(daemon.socket, "list").returncode == 0


def test_a_rule_allows_its_sources_alone_and_the_first_one_decides(start: Any) -> None:
    daemon = start(rule(uids=[STRANGER], sources=[]) + rule(sources=["test:320x200*"]))
    assert daemon.may_read(USER, MOVING)
    assert not daemon.may_read(USER, OTHER)
    assert not daemon.may_read(STRANGER, MOVING)
    refused = daemon.as_user(USER, "grab", OTHER, "-o", "/dev/null")
    assert f"rule 2 (line 4) allows user {USER} test:320x200*, not {OTHER}" in refused.stderr


def test_a_denied_source_is_not_even_started(start: Any) -> None:
    daemon = start(rule(sources=["test:320x200*"]))
    assert not daemon.may_read(USER, "test:16x16@30")
    streams = json.loads(command(daemon.socket, "list", "--json").stdout)["streams"]
    assert {stream["source"] for stream in streams} == {STILL, MOVING, OTHER}


def test_another_spelling_of_a_denied_source_is_denied_too(start: Any) -> None:
    daemon = start(rule(sources=["test:320x200@60"]))
    assert daemon.may_read(USER, MOVING)
    for spelling in ("test:64x48@60.0", "test:064x48@60", "test:320x200@60 ", "test:320x200@60.1"):
        assert daemon.as_user(USER, "grab", spelling, "-o", "/dev/null").returncode != 0


def test_supplementary_groups_count(start: Any) -> None:
    daemon = start(rule(gids=[4242], sources=["*"]))
    assert not daemon.may_read(USER, MOVING)
    assert daemon.may_read(USER, MOVING, groups="4241,4242")


def test_memory_that_a_rule_does_not_name_is_denied(start: Any) -> None:
    daemon = start(rule(sources=["*"], memory=["cuda"]))
    refused = daemon.as_user(USER, "grab", MOVING, "-o", "/dev/null")
    assert "cuda memory, not host" in refused.stderr


def test_check_says_which_rule_decides(start: Any) -> None:
    daemon = start(rule(uids=[USER], sources=["test:*"]))
    own = daemon.as_user(USER, "policy", "check", MOVING)
    assert own.returncode == 0
    assert own.stdout.splitlines()[0] == f"allowed: rule 1 (line 1) allows user {USER} {MOVING}"
    told = command(daemon.socket, "policy", "check", "--uid", USER, "screen")
    assert told.returncode == 1
    assert told.stdout.splitlines()[0] == f"denied: rule 1 (line 1) allows user {USER} test:*, not screen"
    told = command(daemon.socket, "policy", "check", "--uid", STRANGER, MOVING)
    assert told.returncode == 1
    assert told.stdout.splitlines()[0] == f"denied: no rule is for user {STRANGER}"
    others = daemon.as_user(USER, "policy", "check", "--uid", STRANGER, MOVING)
    assert "for root to ask" in others.stderr
    assert "root or the daemon's own user" in command(daemon.socket, "policy", "check", "screen").stdout


# --- the desktop ---


def test_of_a_desktop_a_user_sees_and_reads_what_the_rules_allow(start: Any, processes: Processes) -> None:
    _, display = start_server(processes, "400x300x24")
    env = {**ENV, "DISPLAY": display}
    for monitor in ("LEFT 200/50x300/80+0+0 screen", "RIGHT 200/50x300/80+200+0 none"):
        run("xrandr", "--setmonitor", *monitor.split(), env=env, check=True)
    ids = {}
    for title in ("notes", "secret"):
        words = ["xterm", "-T", title, "-class", title, "-geometry", "10x3", "-e", "sleep", "600"]
        processes.start("xterm", words, env={"DISPLAY": display})
        search = ("xdotool", "search", "--sync", "--onlyvisible", "--name", f"^{title}$")
        ids[title] = int(run(*search, env=env, check=True).stdout.split()[-1])
    rules = rule(uids=[USER], sources=["monitor:RIGHT", "window:class=notes"])
    daemon = start(rules + rule(uids=[STRANGER], sources=["test:*"]), "--display", display)

    def listed(uid: int) -> Any:
        return json.loads(daemon.as_user(uid, "list", "--json").stdout)

    for uid, titles, monitors in (
        (0, ["secret", "notes"], ["LEFT", "RIGHT"]),
        (USER, ["notes"], ["RIGHT"]),
        (STRANGER, [], []),
    ):
        told = listed(uid)
        assert [window["title"] for window in told["windows"]] == titles
        assert [monitor["name"] for monitor in told["monitors"]] == monitors
        assert "secret" in titles or "secret" not in json.dumps(told) + daemon.as_user(uid, "list").stdout
    assert f"user {STRANGER}" in told["desktop"]["windows_withheld"]
    assert daemon.may_read(USER, "window:class=notes")
    assert daemon.may_read(USER, "monitor:RIGHT")
    for source in ("screen", "monitor:LEFT", f"window:{ids['secret']:#x}", "window:title=secret"):
        assert not daemon.may_read(USER, source)
    refused = daemon.as_user(USER, "grab", "--window", "sec", "-o", "/dev/null")
    assert refused.returncode != 0
    assert "secret" not in refused.stderr


# --- quotas of a rule ---

ON_DEMAND = "test:16x16@30"
SLOTS = 6


def quota_of(daemon: Daemon, uid: int) -> dict[str, tuple[int, int]]:
    """Name to what is used and the limit, as `framering policy check` tells."""
    told = command(daemon.socket, "policy", "check", "--uid", uid, MOVING).stdout.splitlines()[1:]
    return {name: (int(used), int(limit)) for name, used, _, limit in map(str.split, told)}


def test_a_rule_has_quotas_of_its_own_and_check_tells_how_much_is_used(start: Any) -> None:
    quota = "clients_per_uid = 1, leases_per_uid = 3"
    daemon = start(rule(uids=[USER], sources=["*"], quota=quota) + rule(sources=["*"]))
    with daemon.watched_by(USER, MOVING):
        refused = daemon.as_user(USER, "list")
        assert f"too many clients of user {USER}: the limit is 1" in refused.stderr
        assert "the rule's quota" in refused.stderr
        assert daemon.may_read(STRANGER, MOVING), "another rule is for this one"
        told = quota_of(daemon, USER)
        assert told["clients_per_uid"] == (1, 1)
        assert told["streams_per_uid"][0] == 1
        assert told["leases_per_uid"][1] == 3
        assert quota_of(daemon, STRANGER)["clients_per_uid"] == (0, 512)
    wait_until(lambda: quota_of(daemon, USER)["clients_per_uid"][0] == 0)


def test_the_memory_of_the_streams_that_a_user_starts_is_limited(start: Any) -> None:
    room = 16 * 16 * 4 * SLOTS
    daemon = start(rule(uids=[USER], sources=["*"], quota=f"bytes_per_uid = {room}"))
    with daemon.watched_by(USER, ON_DEMAND):
        assert quota_of(daemon, USER)["bytes_per_uid"] == (room, room)
        refused = daemon.as_user(USER, "grab", "test:16x16@31", "-o", "/dev/null")
        assert f"{room} bytes more for streams started by user {USER}, who has {room}" in refused.stderr
        assert daemon.may_read(USER, MOVING), "what the configuration starts is nobody's"
        assert command(daemon.socket, "grab", "test:16x16@31", "-o", "/dev/null").returncode == 0


@pytest.mark.parametrize(
    ("quota", "says"),
    [
        ("clients = 1", 'unknown key "clients"; did you mean "clients_per_uid"?'),
        ("bytes_per_uid = 0", "quota.bytes_per_uid is 0: it must be 1 to 1099511627776"),
        ('streams_per_uid = "1"', "this must be an integer"),
    ],
)
def test_a_wrong_quota_of_a_rule_is_refused(start: Any, quota: str, says: str) -> None:
    daemon = start("")
    daemon.config.write_text(rule(sources=["*"], quota=quota))
    result = command(daemon.socket, "reload")
    assert result.returncode == 2
    assert f"{daemon.config}:3:" in result.stderr
    assert says in result.stderr


# --- reload ---


def reload_by_signal(daemon: Daemon) -> None:
    daemon.process.child.send_signal(signal.SIGHUP)


def reload_by_command(daemon: Daemon) -> None:
    result = command(daemon.socket, "reload")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("reload", [reload_by_signal, reload_by_command])
def test_a_reload_lets_in_and_shuts_out(start: Any, reload: Any) -> None:
    daemon = start("")
    daemon.config.write_text(rule(uids=[USER], sources=["*"]))
    reload(daemon)
    wait_until(lambda: daemon.may_read(USER, MOVING))
    daemon.config.write_text("")
    reload(daemon)
    wait_until(lambda: not daemon.may_read(USER, MOVING))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[policy]]\nuids = [1]\n", ":1:1: policy: it needs sources"),
        ('[[policy]]\nsources = "*"\n', ":2:11: sources: this must be an array of strings"),
        ("[[policy]]\nsources = []\nuid = [1]\n", ':3:1: unknown key "uid"; did you mean "uids"?'),
        ("[[policy]]\nsources = []\nuids = [-1]\n", ":3:8: uids: -1 is not 0 to 4294967294"),
        ('[[policy]]\nsources = []\nmemory = ["auto"]\n', ':3:10: memory: "auto" is none of host, cuda'),
        ("[[policy\n", ":1:"),
    ],
)
def test_an_invalid_file_is_refused_with_its_place_and_the_old_policy_stays(
    start: Any, text: str, says: str
) -> None:
    daemon = start(rule(uids=[USER], sources=["*"]))
    daemon.config.write_text(text)
    result = command(daemon.socket, "reload")
    assert result.returncode == 2
    assert str(daemon.config) + says in result.stderr
    daemon.process.child.send_signal(signal.SIGHUP)
    assert daemon.may_read(USER, MOVING)


def test_others_may_not_reload(start: Any) -> None:
    daemon = start(rule(uids=[USER], sources=["*"]))
    daemon.config.write_text("")
    assert "only root" in daemon.as_user(USER, "reload").stderr
    assert daemon.may_read(USER, MOVING)


def test_who_may_not_stay_is_hung_up_on_and_others_read_on(start: Any) -> None:
    daemon = start(rule(uids=[USER, STRANGER], sources=["*"]))
    with daemon.watched_by(STRANGER, MOVING) as out, daemon.watched_by(USER, MOVING) as stays:
        daemon.config.write_text(rule(uids=[USER], sources=["*"]))
        reload_by_command(daemon)
        assert out.wait(20) != 0
        assert stays.stdout
        for _ in range(2):
            assert json.loads(stays.stdout.readline())["frames"] > 0


def test_what_a_client_had_mapped_of_a_stream_that_it_lost_gets_no_new_byte(start: Any) -> None:
    """Seen by root, who loses nothing: another's loss renews the stream, the old memory stays as it was."""
    daemon = start(rule(uids=[USER], sources=["*"]))
    with daemon.watched_by(USER, MOVING) as loser, framering.open(MOVING, socket=daemon.socket) as stream:
        first = stream.next()
        before, epoch = bytes(first), first.epoch
        daemon.config.write_text(rule(uids=[USER], sources=["test:64x48*"]))
        reload_by_command(daemon)
        told = loser.communicate(timeout=20)[1]
        assert "test:64x48*, not test:320x200@60" in told
        frame = stream.next()
        while frame.epoch == epoch:
            frame.release()
            frame = stream.next()
        sequence = frame.sequence
        while stream.latest().sequence < sequence + 10:
            pass
        assert bytes(first) == before, "nobody writes to the old memory"


def test_quotas_and_log_level_are_reloaded_too(start: Any) -> None:
    daemon = start("")
    daemon.config.write_text("[quota]\nclients_per_uid = 1\n")
    reload_by_command(daemon)
    first: list[framering.Connection] = []

    def connects() -> bool:
        with contextlib.suppress(framering.QuotaExceeded):  # while the command's own process counts yet
            first.append(framering.connect(daemon.socket))
        return bool(first)

    wait_until(connects)
    with first[0], pytest.raises(framering.QuotaExceeded):
        framering.connect(daemon.socket)
