"""Each rule of check_layers.py is seen to fail on a tree that breaks it, and to pass on one that does not."""

import subprocess
import sys
from pathlib import Path

import check_layers
import pytest


def including(*names: str) -> str:
    return "".join(f'#include "{name}"\n' for name in names)


GOOD = {
    "proto/result.h": "#pragma once\n",
    "proto/platform.h": including("proto/result.h") + "#ifdef _WIN32\n#endif\n",
    "client/include/framering/types.h": "#include <cstdint>\n",
    "client/src/stream.cpp": including("boost/asio.hpp", "framering/types.h", "proto/result.h"),
    "client/cli/main.cpp": including("client/src/stream.h", "framering/types.h"),
    "daemon/frame.h": including("proto/result.h"),
    "daemon/quota.h": "",
    "daemon/config.h": including("daemon/quota.h"),
    "daemon/reader.h": including("daemon/frame.h"),
    "daemon/ring.h": including("daemon/reader.h"),
    "daemon/capture/source.h": including("daemon/frame.h"),
    "daemon/capture/x11_source.h": including("daemon/capture/source.h", "daemon/config.h"),
    "daemon/capture/x11_damage.h": including("daemon/capture/bands.h"),
    "daemon/capture/x11_source.cpp": including("daemon/capture/x11_damage.h", "daemon/capture/x11_source.h"),
    "daemon/capture/bands.h": "",
    "daemon/capture/test_source.h": including("daemon/capture/source.h"),
    "daemon/memory/pool.h": including("daemon/frame.h"),
    "daemon/memory/host_pool.h": including("daemon/memory/pool.h"),
    "daemon/pump.h": including("daemon/capture/source.h", "daemon/memory/pool.h", "daemon/ring.h"),
    "daemon/session.cpp": including("daemon/pump.h"),
    "daemon/main.cpp": including("daemon/session.h"),
    "daemon/platform_linux.cpp": including("daemon/capture/x11_source.h", "daemon/memory/host_pool.h"),
    "python-client/src/bindings/module.cpp": including("frame.h") + "#include <framering/types.h>\n",
    "python-client/src/bindings/frame.h": "#include <nanobind/nanobind.h>\n",
}


def tree(root: Path, *changes: dict[str, str]) -> Path:
    for files in (GOOD, *changes):
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def test_a_tree_that_keeps_the_rules_passes(tmp_path: Path) -> None:
    assert check_layers.offences(tree(tmp_path)) == []


def test_this_tree_keeps_the_rules() -> None:
    assert check_layers.offences(Path(__file__).parents[1]) == []


@pytest.mark.parametrize(
    ("path", "included", "reason"),
    [
        ("proto/result.cpp", "daemon/frame.h", "proto must not know daemon"),
        ("proto/result.cpp", "framering/types.h", "proto must not know client"),
        ("client/src/stream.cpp", "daemon/frame.h", "client must not know daemon"),
        ("client/src/stream.cpp", "client/cli/table.h", "client must not know client"),
        ("client/include/framering/types.h", "proto/result.h", "client must not know proto"),
        ("client/include/framering/types.h", "client/src/stream.h", "client must not know client"),
        ("client/include/framering/types.h", "boost/asio.hpp", "none of the libraries"),
        ("client/include/framering/types.h", "flatbuffers/flatbuffers.h", "none of the libraries"),
        ("client/include/framering/types.h", "spdlog/spdlog.h", "none of the libraries"),
        ("daemon/session.cpp", "framering/types.h", "daemon must not know client"),
        ("daemon/session.cpp", "client/src/stream.h", "daemon must not know client"),
        ("daemon/session.cpp", "daemon/capture/x11_source.h", "only main and platform_*"),
        ("daemon/session.cpp", "daemon/memory/host_pool.h", "only main and platform_*"),
        ("daemon/frame.cpp", "daemon/ring.h", "daemon/frame may include"),
        ("daemon/ring.cpp", "daemon/pump.h", "daemon/ring may include"),
        ("daemon/ring.cpp", "daemon/memory/pool.h", "daemon/ring may include"),
        ("daemon/pump.cpp", "daemon/session.h", "daemon/pump may include"),
        ("daemon/pump.cpp", "daemon/capture/x11_source.h", "daemon/pump may include"),
        ("daemon/capture/source.h", "daemon/ring.h", "daemon/capture/source may include"),
        ("daemon/capture/x11_source.cpp", "daemon/capture/test_source.h", "never include one another"),
        ("daemon/capture/bands.cpp", "daemon/capture/x11_damage.h", "never include one another"),
        ("daemon/capture/x11_source.cpp", "daemon/memory/pool.h", "its interface and the base"),
        ("daemon/capture/x11_source.cpp", "daemon/pump.h", "its interface and the base"),
        ("daemon/memory/host_pool.cpp", "daemon/capture/source.h", "its interface and the base"),
        ("daemon/memory/host_pool.cpp", "daemon/ring.h", "its interface and the base"),
        ("python-client/src/bindings/module.cpp", "proto/result.h", "python-client must not know proto"),
        (
            "python-client/src/bindings/module.cpp",
            "client/src/stream.h",
            "python-client must not know client",
        ),
        ("daemon/session.cpp", "../client/src/stream.h", "by path from the root"),
    ],
)
@pytest.mark.parametrize("form", ['#include "{}"\n', "  #  include <{}>\n"])
def test_an_include_against_the_layers_is_named(
    tmp_path: Path, path: str, included: str, reason: str, form: str
) -> None:
    found = check_layers.offences(tree(tmp_path, {path: "\n" + form.format(included)}))
    assert len(found) == 1
    assert found[0].startswith(f'{path}:2: "{included}": ')
    assert reason in found[0]


def test_a_file_that_includes_itself_through_others_is_named(tmp_path: Path) -> None:
    changes = {"proto/result.h": '#include "proto/platform.h"\n'}
    assert check_layers.offences(tree(tmp_path, changes)) == [
        "proto/result.h: includes itself: proto/result.h -> proto/platform.h -> proto/result.h"
    ]


@pytest.mark.parametrize(
    "path", ["proto/other.h", "proto/result.cpp", "daemon/ring.h", "tests/unit/ring_test.cpp"]
)
def test_no_second_file_asks_for_the_operating_system(tmp_path: Path, path: str) -> None:
    found = check_layers.offences(tree(tmp_path, {path: "#if defined(_WIN32)\n#endif\n"}))
    assert len(found) == 1
    assert "may ask for the operating system" in found[0]


def test_only_a_proto_header_asks_for_the_operating_system(tmp_path: Path) -> None:
    found = check_layers.offences(
        tree(tmp_path, {"proto/platform.h": "", "daemon/ring.h": "#ifdef __linux__\n#endif\n"})
    )
    assert found == ["daemon/ring.h:1: only one header, in proto, may ask for the operating system"]


@pytest.mark.parametrize(
    "path", ["daemon/ring.cpp", "python-client/src/framering/mss.py", "tests/unit/ring_test.cpp"]
)
def test_a_file_of_more_than_500_lines_is_named(tmp_path: Path, path: str) -> None:
    assert check_layers.offences(tree(tmp_path, {path: "\n" * 500})) == []
    found = check_layers.offences(tree(tmp_path, {path: "\n" * 501}))
    assert found == [f"{path}: 501 lines, more than 500: split it by idea"]


def test_the_command_fails_with_the_offences_and_passes_without(tmp_path: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, check_layers.__file__, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    tree(tmp_path)
    assert run().returncode == 0
    tree(tmp_path, {"proto/result.cpp": '#include "daemon/frame.h"\n'})
    result = run()
    assert result.returncode == 1
    assert "proto/result.cpp:1" in result.stdout
