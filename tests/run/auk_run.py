"""`auk run` as its users meet it: started, typed at, and judged by what comes out."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEBIBYTE = 1 << 20
LIMIT = "100"  # seconds for one guest
MOST_TRIES = 3  # of Linux
Problems = list[str]


@dataclass
class Ran:
    code: int
    out: bytes
    err: bytes
    status: dict


class Tester:
    def __init__(self, kernel: str, profile: str, machine: str, ports: str) -> None:
        self.base = [str(ROOT / "auk"), "run", "--machine", machine, "--timeout", LIMIT,
                     "--profile", profile]
        if kernel:
            self.base += ["--kernel", kernel]
        if ports:
            self.base += ["--ports", ports]
        serial = ports == "serial" or (kernel and not ports)
        self.terminal = b"/dev/ttyS1" if serial else b"/dev/pts/0"

    def run(self, *command: str, options: tuple[str, ...] = (), feed: bytes = b"") -> Ran:
        reader, writer = os.pipe()
        argv = [*self.base, *options, "--json-status", str(writer), "--", *command]
        done = subprocess.run(argv, input=feed, capture_output=True, pass_fds=[writer])
        os.close(writer)
        with open(reader, "rb") as status:
            text = status.read()
        return Ran(done.returncode, done.stdout, done.stderr, json.loads(text) if text else {})

    def start(self, *command: str, **streams: object) -> subprocess.Popen:
        return subprocess.Popen([*self.base, "--", *command], stdin=subprocess.DEVNULL, **streams)


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}... ({len(value)})"


def differing(**pairs: tuple[object, object]) -> Problems:
    """For each name what was got and what was wanted."""
    return [f"{name} is {short(got)}, not {short(wanted)}" for name, (got, wanted) in pairs.items()
            if got != wanted]


class Terminal:
    """`auk run` on a terminal of its own."""

    def __init__(self, run: Tester, *command: str) -> None:
        self.pid, self.keys = pty.fork()
        if self.pid == 0:
            os.execv(run.base[0], [*run.base, "--", *command])
        self.seen = b""

    def wait_for(self, text: bytes, seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.keys], [], [], left)[0]:
                return False
            try:
                self.seen += os.read(self.keys, 4096)
            except OSError:
                return False
        return True

    def type(self, text: bytes) -> None:
        os.write(self.keys, text)

    def end(self) -> int:
        # Until nobody holds the other side.
        self.wait_for(b"\0 no such text")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.keys)
        return os.waitstatus_to_exitcode(status)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.keys, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: bytes, seconds: float = 60) -> bool:
        """wait_for() of what comes from now on; what stands before it is forgotten with it."""
        found = self.wait_for(text, seconds)
        if found:
            self.seen = self.seen.split(text, 1)[1]
        return found


Case = Callable[[Tester], Problems]


def main(description: str, quick: list[Case], every: list[Case], auk_only: list[Case],
         linux_only: list[Case]) -> int:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kernel", default="", help='an image, or "linux"; Auk if not given')
    parser.add_argument("--profile", default="dev", help="the build of Auk")
    parser.add_argument("--machine", default="microvm")
    parser.add_argument("--ports", default="", choices=["virtio", "serial"])
    parser.add_argument("--jobs", type=int, default=2, help="cases at once")
    parser.add_argument("--quick", action="store_true", help="the short form")
    parser.add_argument("name", nargs="*", help="only these")
    chosen = parser.parse_args()
    tester = Tester(chosen.kernel, chosen.profile, chosen.machine, chosen.ports)
    # The first run on a host may say that KVM does not work here.
    tester.run("true")
    all_cases = every + (linux_only if chosen.kernel == "linux" else auk_only)
    cases = quick if chosen.quick else all_cases
    if chosen.name:
        cases = [case for case in all_cases if case.__name__ in chosen.name]
    failed = 0
    # Each of them waits for a guest most of the time.
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for number, tries in enumerate(pool.map(lambda case: try_case(case, tester), cases), 1):
            for problems in tries[:-1]:
                print(f"# once more: {problems[0][:500]}", flush=True)
            problems = tries[-1]
            failed += bool(problems)
            name = cases[number - 1].__name__.replace("_", " ")
            print(f"{'not ok' if problems else 'ok'} {number} - {name}", flush=True)
            for problem in problems:
                print(f"#   {problem[:2000]}", flush=True)
    print(f"1..{len(cases)}")
    return 1 if failed else 0


def try_case(case: Case, tester: Tester) -> list[Problems]:
    """What each try came to. On Linux a case shows that it asks for the right thing; on Auk it has
    one try. Linux patches its code while it runs, and now and then QEMU's emulation lets a CPU meet
    the breakpoint that stands there meanwhile: then it dies or stays where it is."""
    tries = [case(tester)]
    while tries[-1] and "linux" in tester.base and len(tries) < MOST_TRIES:
        tries.append(case(tester))
    return tries
