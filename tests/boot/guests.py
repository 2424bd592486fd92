"""Machines with Auk, some at once, on which the same is run."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass


@dataclass
class Guest:
    """It runs, or will run."""

    machine: str
    cpus: int
    ran: Future[subprocess.CompletedProcess]

    @property
    def where(self) -> str:
        return f"{self.machine}, {self.cpus} CPUs"


def start(pool: Executor, chosen: argparse.Namespace, machine: str, cpus: int,
          boot: Callable[[list[str]], subprocess.CompletedProcess]) -> Guest:
    """`boot` gets the options that `auk run` needs for this machine."""
    options = ["--machine", machine, "-c", str(cpus), "--profile", chosen.profile]
    options += ["--kernel", chosen.kernel] if chosen.kernel else []
    return Guest(machine, cpus, pool.submit(boot, options))
