"""The initial file system of the boot tests: one program (init/) in one archive."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from qemu import ROOT

SOURCES = Path(__file__).resolve().parent / "init"
BUILD = ROOT / "build" / "boot-init"
FLAGS = ("-std=c++23", "-ffreestanding", "-fno-exceptions", "-fno-rtti", "-fno-stack-protector",
         "-fno-pic", "-fno-asynchronous-unwind-tables", "-mno-sse", "-Os", "-Wall", "-Wextra",
         "-Werror", "-nostdlib", "-static", "-fuse-ld=lld", "-Wl,-z,norelro,--build-id=none,-s")
ALIGNMENT = 4


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def entry(number: int, name: str, mode: int, data: bytes = b"", links: int = 1) -> bytes:
    """One file of a "newc" archive, see cpio(5)."""
    text = name.encode() + b"\0"
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(text), 0)
    header = b"070701" + b"".join(b"%08X" % f for f in fields)
    return padded(header + text) + padded(data)


def archive(init: bytes) -> bytes:
    return entry(1, "init", 0o100755, init) + entry(0, "TRAILER!!!", 0)


def initrd(name: str = "init") -> Path:
    """With the program of that name; made when it is newer. Several suites may ask at once."""
    BUILD.mkdir(parents=True, exist_ok=True)
    source = SOURCES / f"{name}.cpp"
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    result = BUILD / f"{name}.cpio"
    with open(BUILD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists() or result.stat().st_mtime < newest:
            program = BUILD / name
            subprocess.run(["clang++-19", "--target=x86_64-linux-gnu", *FLAGS, source,
                            "-o", program], check=True)
            result.write_bytes(archive(program.read_bytes()))
    return result
