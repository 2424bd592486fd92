"""Results in the Test Anything Protocol, and options that the boot tests share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from qemu import ROOT

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Result:
    name: str
    problems: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)  # shown for failures only

    @property
    def ok(self) -> bool:
        return not self.problems


class Report:
    """Prints results as they come; the plan stands last."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.profile = chosen.profile
        self.count = 0
        self.failed = 0

    def add(self, result: Result) -> None:
        self.count += 1
        self.failed += not result.ok
        print(f"{'ok' if result.ok else 'not ok'} {self.count} - {result.name}", flush=True)
        if not result.ok:
            for line in [*result.problems, *result.details]:
                print(f"#   {line}", flush=True)

    def check(self, name: str, problems: list[str], details: Iterable[str] = ()) -> None:
        self.add(Result(name, problems, list(details)))

    @staticmethod
    def note(text: str) -> None:
        print(f"# {text}", flush=True)

    def proof(self, text: str) -> None:
        """A line for docs/status.md."""
        print(f"# proof: {self.profile}: {text}", flush=True)

    def end(self) -> int:
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--profile", default="dev", help="which build to boot (build/PROFILE)")
    parser.add_argument("--images", type=Path, help="a directory with images instead")
    parser.add_argument("--jobs", type=int, default=2, help="QEMUs at once")
    parser.add_argument("--quick", action="store_true", help="the short form")
    return parser


def images(chosen: argparse.Namespace) -> Path:
    return chosen.images.resolve() if chosen.images else ROOT / "build" / chosen.profile


def in_order(work: Callable[[T], R], items: Iterable[T], jobs: int) -> Iterable[R]:
    """The results in the order of the items, which are worked on `jobs` at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(work, items)
