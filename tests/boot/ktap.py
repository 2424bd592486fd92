"""What programs of tests/guest print, and Auk's output held against Linux's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import tap

CHECK = re.compile(r"(ok|not ok) \d+ - (\w+): (.*)")


@dataclass
class Check:
    ok: bool
    text: str
    details: list[str] = field(default_factory=list)


@dataclass
class Output:
    """What one program said: the checks of each of its tests, and its wait status."""

    tests: dict[str, list[Check]] = field(default_factory=dict)
    status: int | None = None


def read(output: bytes) -> dict[str, Output]:
    outputs: dict[str, Output] = {}
    current, last = Output(), None
    for line in output.decode(errors="replace").splitlines():
        if found := re.match(r"# (start|end) \S*/(\w+) (-?\d+)$", line):
            current = outputs.setdefault(found[2], Output())
            current.status = int(found[3]) if found[1] == "end" else None
        elif found := CHECK.match(line):
            last = Check(found[1] == "ok", found[3])
            current.tests.setdefault(found[2], []).append(last)
        elif line.startswith("# ") and last:
            last.details.append(line[2:])
    return outputs


def judge_problems(outputs: dict[str, Output], names: tuple[str, ...]) -> list[str]:
    problems = []
    for name in names:
        output = outputs.get(name, Output())
        if output.status != 0:
            problems.append(f"{name} ended with {output.status}")
        for test, checks in output.tests.items():
            problems += [f"{name}: {test}: {check.text} ({'; '.join(check.details)})"
                         for check in checks if not check.ok]
    return problems


def compare(name: str, linux: Output, auk: Output, report: tap.Report) -> None:
    for test, wanted in linux.tests.items():
        got = auk.tests.get(test, [])
        for at, want in enumerate(wanted):
            problems, details = [], []
            if at >= len(got):
                problems = ["it did not come to this"]
            elif got[at].text != want.text:
                problems = [f"there came: {got[at].text}"]
            elif not got[at].ok:
                problems, details = ["it does on Linux"], got[at].details
            report.check(f"{name}: {test}: {want.text}", problems, details)
        for more in got[len(wanted):]:
            report.check(f"{name}: {test}: {more.text}", ["not on Linux"], more.details)
    if auk.status != linux.status:
        report.check(f"{name}: ends as on Linux", [f"wait status {auk.status}"])
