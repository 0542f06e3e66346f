"""The packages of this tree, and a machine to install them on."""

import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from machine import PACKAGES, Machine, booted, why_it_cannot_run
from processes import Processes


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes() as started:
        yield started


def package(name: str, release: int = 1) -> Path:
    found = list(PACKAGES.glob(f"{name}_*-{release}_*.deb"))
    if len(found) != 1:
        pytest.skip(f"{name} is not built: ./dev package")
    return found[0]


# The tests of one machine build on each other: after one has failed, the others would only wait.
failed_machine_tests: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and "machine" in getattr(item, "fixturenames", ()):
        failed_machine_tests.append(item.name)
    return report


@pytest.fixture(autouse=True)
def stops_at_the_first_failure(request: pytest.FixtureRequest) -> None:
    if failed_machine_tests and "machine" in request.fixturenames:
        pytest.skip(f"{failed_machine_tests[0]} failed on this machine")


@pytest.fixture(scope="session")
def programs_package() -> Path:
    return package("framering")


@pytest.fixture(scope="session")
def library_package() -> Path:
    return package("libframering-dev")


@pytest.fixture(scope="session")
def newer_package() -> Path:
    """The same programs as the next release of the package."""
    return package("framering", release=2)


@pytest.fixture(scope="module")
def machine(programs_package: Path, library_package: Path, newer_package: Path) -> Iterator[Machine]:
    if reason := why_it_cannot_run():
        pytest.skip(reason)
    with tempfile.TemporaryFile() as log:
        try:
            with booted(log) as running:
                yield running
        except (AssertionError, subprocess.SubprocessError):
            log.seek(0)
            print(log.read().decode(errors="replace")[-4000:])
            raise
