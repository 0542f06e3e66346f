"""The metrics of a daemon, read by Prometheus' own parser."""

from collections.abc import Mapping
from pathlib import Path

from programs import command
from prometheus_client.parser import text_string_to_metric_families


class Metrics:
    """Values by name and labels, at one moment."""

    def __init__(self, text: str) -> None:
        self.types = {family.name: family.type for family in text_string_to_metric_families(text)}
        self.samples = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    @classmethod
    def of(cls, socket: Path) -> "Metrics":
        result = command(socket, "stats")
        assert (result.returncode, result.stderr) == (0, "")
        return cls(result.stdout)

    def all(self, name: str, labels: Mapping[str, str]) -> list[float]:
        return [
            value
            for found, own, value in self.samples
            if found == name and all(own.get(key) == label for key, label in labels.items())
        ]

    def value(self, name: str, **labels: str) -> float:
        (value,) = self.all(name, labels)
        return value

    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}
