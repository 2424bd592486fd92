"""What Linux says to a test, which is the measure for Auk."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

import tap

# What Linux says is a measure, whether it boots on this host is not.
TRIES = 2
SHOWN_LINES, SHOWN_BYTES, SHOWN_PROBLEMS = 25, 200, 3


def ask(title: str, kept: Path, boot: Callable[[], subprocess.CompletedProcess[bytes]],
        problems_of: Callable[[bytes], list[str]], report: tap.Report) -> bytes | None:
    """Its output, from `kept` if it was asked before; None if it does not do what it has to."""
    with open(f"{kept}.lock", "w") as lock:
        # Another suite may be asking the same.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return kept.read_bytes() if kept.exists() else ask_now(title, kept, boot, problems_of, report)


def ask_now(title: str, kept: Path, boot: Callable[[], subprocess.CompletedProcess[bytes]],
            problems_of: Callable[[bytes], list[str]], report: tap.Report) -> bytes | None:
    for _ in range(TRIES):
        ran = boot()
        problems = [] if ran.returncode == 0 else [f"exit code {ran.returncode}"]
        problems += problems_of(ran.stdout)
        if not problems:
            break
        report.note(f"Linux: {'; '.join(problems[:SHOWN_PROBLEMS])}; "
                    f"its output begins with {ran.stdout[:SHOWN_BYTES]!r}")
    report.check(title, problems,
                 ran.stderr.decode(errors="replace").splitlines()[-SHOWN_LINES:])
    if problems:
        return None
    kept.write_bytes(ran.stdout)
    return ran.stdout
