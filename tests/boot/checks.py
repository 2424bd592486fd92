"""What makes a boot a good one. Every test that boots to the end asks here and nowhere else."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from qemu import Ending

UNITS = {"K": 1, "M": 1 << 10, "G": 1 << 20}
# "panic=" stands in many a command line.
BAD_WORDS = re.compile(r"\b(BUG|WARNING|Oops|panic)\b(?!=)")
# Power-on resets every CPU twice: once when it is made, once with the whole machine.
POWER_ON_RESETS = 2
# Firmware that looks for other CPUs sends one INIT to each, and so does the kernel.
INITS = 2
SHOWN_LINES = 20


@dataclass(frozen=True)
class Expected:
    cpus: int
    memory_kib: int
    # What the kernel takes up itself, where that is much of the memory.
    image_kib: int = 0
    # How the machine ends. Without ACPI the only way to end is a triple fault.
    reason: str = "guest-shutdown"


def loaded_kib(vmlinux: Path) -> int:
    """What the segments of an ELF file take up in memory."""
    with open(vmlinux, "rb") as file:
        header = file.read(64)
        table, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(table)
        entries = [file.read(size) for _ in range(count)]
    load = 1
    sizes = [struct.unpack_from("<Q", e, 40)[0] for e in entries if struct.unpack_from("<I", e)[0] == load]
    return sum(sizes) >> 10


def kib(size: str) -> int:
    """512M, as for QEMU's -m."""
    return int(size[:-1]) * UNITS[size[-1]]


def end_problems(ending: Ending, reason: str) -> list[str]:
    """QEMU must end by itself, for the reason given, and no CPU may reset on the way."""
    problems = []
    if ending.status is None:
        problems.append(f"still running after {ending.seconds:.0f} s")
    elif ending.status != 0:
        problems.append(f"QEMU's exit status is {ending.status}: {ending.qemu_errors.strip()}")
    elif ending.reason != reason:
        problems.append(f"QEMU ended by '{ending.reason}', not by '{reason}'")
    return problems + reset_problems(ending, reason)


def reset_problems(ending: Ending, reason: str = "") -> list[str]:
    problems = []
    seen: dict[int, int] = {}
    for reset in ending.resets:
        seen[reset.cpu] = seen.get(reset.cpu, 0) + 1
        allowed = POWER_ON_RESETS + (INITS if reset.cpu != 0 else 0)
        if seen[reset.cpu] > allowed or reset.long_mode:
            problems.append(f"CPU {reset.cpu} was reset at {reset.pc:#x}")
    if ending.triple_faults > (1 if reason == "guest-reset" else 0):
        problems.append(f"{ending.triple_faults} triple faults")
    return problems


def boot_problems(ending: Ending, expected: Expected) -> list[str]:
    """Empty for a boot that counts."""
    problems = end_problems(ending, expected.reason)
    text = "\n".join(ending.lines)
    for wanted in ("Auk version", "Checked W+X mappings: passed", "reboot: Power down"):
        if wanted not in text:
            problems.append(f"no line '{wanted}'")
    if found := re.search(r"smp: Brought up 1 node, (\d+) CPU", text):
        if int(found[1]) != expected.cpus:
            problems.append(f"{found[1]} CPUs of {expected.cpus}")
    else:
        problems.append("no line 'smp: Brought up'")
    problems += init_problems(text, expected)
    if found := re.search(r"Memory: (\d+)K/(\d+)K available", text):
        available, usable = int(found[1]), int(found[2])
        if abs(usable - expected.memory_kib) > 0.15 * expected.memory_kib:
            problems.append(f"{usable} KiB of {expected.memory_kib} KiB are usable")
        if not 0 < available <= usable:
            problems.append(f"{available} KiB of {usable} KiB are available")
    else:
        problems.append("no line 'Memory: ... available'")
    return problems + bad_lines(ending)


def init_problems(text: str, expected: Expected) -> list[str]:
    """What the first program says of the machine."""
    found = re.search(r"init: running, (\d+) CPUs, (\d+) KiB, (\d+) KiB free", text)
    if not found:
        return ["no line 'init: running'"]
    cpus, total, free = map(int, found.groups())
    problems = []
    if cpus != expected.cpus:
        problems.append(f"init sees {cpus} CPUs of {expected.cpus}")
    wanted = expected.memory_kib - expected.image_kib
    if abs(total - wanted) > 0.15 * expected.memory_kib:
        problems.append(f"init sees {total} KiB of {wanted} KiB")
    if not 0 < free <= total:
        problems.append(f"{free} KiB of {total} KiB are free")
    return problems


def bad_lines(ending: Ending) -> list[str]:
    """What a healthy kernel never says."""
    return [f"the line '{line}'" for line in ending.lines if BAD_WORDS.search(line)]


def last_lines(lines: list[str]) -> list[str]:
    return lines[-SHOWN_LINES:]
