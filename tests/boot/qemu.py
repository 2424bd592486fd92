"""One QEMU: its command line, its serial log while it runs, QMP, and how it ended.

A Qemu is a context manager: whatever happens, its process is gone afterwards. Everything that
waits has a deadline.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QEMU = "qemu-system-x86_64"
PR_SET_PDEATHSIG = 1
# Looked up before any fork: the child must not take a lock that another thread holds.
_prctl = ctypes.CDLL(None).prctl


@dataclass(frozen=True)
class Machine:
    """What is started, in terms of the tests."""

    image: Path
    machine: str = "q35"  # as for -M, options included
    smp: int = 1
    memory: str = "64M"
    cpu: str = "max"
    append: str = ""
    initrd: Path | None = None
    extra: tuple[str, ...] = ()
    deadline: float = 60.0  # seconds of wall-clock time

    def with_append(self, words: str) -> Machine:
        return replace(self, append=f"{self.append} {words}".strip())

    def arguments(self) -> list[str]:
        argv = [QEMU, "-nodefaults", "-display", "none", "-no-reboot", "-net", "none"]
        argv += ["-accel", "tcg", "-cpu", self.cpu, "-M", self.machine]
        argv += ["-smp", str(self.smp), "-m", self.memory, *self.extra]
        argv += ["-kernel", str(self.image)]
        if self.initrd:
            argv += ["-initrd", str(self.initrd)]
        if self.append:
            argv += ["-append", self.append]
        return [*argv, "-serial", "stdio"]

    def command(self) -> str:
        """The same machine for a shell."""
        return shlex.join(self.arguments())


@dataclass(frozen=True)
class Reset:
    """One entry of QEMU's log of CPU resets, with where the CPU stood."""

    cpu: int
    pc: int
    long_mode: bool


@dataclass
class Ending:
    """How a QEMU ended, and what it said."""

    lines: list[str]
    status: int | None  # None: it had to be ended
    reason: str  # QEMU's word for the cause: guest-shutdown, guest-reset, ...; "" if there is none
    resets: list[Reset]
    triple_faults: int
    resident_kib: int
    seconds: float
    qemu_errors: str


class QmpError(Exception):
    pass


class DeadlineError(Exception):
    pass


@dataclass
class Qemu:
    """A running QEMU. `lines` grows while one of the waiting methods runs."""

    machine: Machine
    lines: list[str] = field(default_factory=list)

    def __enter__(self) -> Qemu:
        self._start = time.monotonic()
        self._end = self._start + self.machine.deadline
        self._partial = b""
        self._seen = 0  # lines that wait_for() is done with
        self._replies: list[dict[str, Any]] = []
        self._reason = ""
        self._status: int | None = None
        self._resident_kib = 0
        self._directory = tempfile.TemporaryDirectory(prefix="auk-boot-")
        self._reset_log = Path(self._directory.name, "resets")
        self._errors = open(Path(self._directory.name, "errors"), "w+b")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        argv = self.machine.arguments()
        argv += ["-d", "cpu_reset", "-D", str(self._reset_log)]
        argv += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "qmp,mode=control"]
        parent = os.getpid()

        def die_with_parent() -> None:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
                pass_fds=[theirs.fileno()], preexec_fn=die_with_parent)
        except BaseException:
            ours.close()
            self._errors.close()
            self._directory.cleanup()
            raise
        finally:
            theirs.close()
        self._qmp = ours
        self._qmp_buffer = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ, self._read_serial)
        self._selector.register(self._qmp, selectors.EVENT_READ, self._read_qmp)
        # Also what makes QEMU send events, its reason for ending among them.
        self._send({"execute": "qmp_capabilities", "id": "start"})
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._selector.close()
        self._process.stdout.close()
        self._qmp.close()
        self._errors.close()
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        return self._process.pid

    # Waiting

    def wait_for(self, pattern: str, seconds: float | None = None) -> str | None:
        """The next line that matches, behind the one that the last call returned; None if QEMU ends
        or time runs out without one."""
        wanted = re.compile(pattern)
        found: list[str] = []

        def look() -> bool:
            while self._seen < len(self.lines) and not found:
                if wanted.search(self.lines[self._seen]):
                    found.append(self.lines[self._seen])
                self._seen += 1
            return bool(found)

        self._pump(look, self._limit(seconds))
        return found[0] if found else None

    def run_for(self, seconds: float) -> None:
        """Reads what comes meanwhile."""
        self._pump(lambda: False, self._limit(seconds))

    def finish(self) -> Ending:
        """Waits for QEMU's end, or ends it at the deadline."""
        self._pump(lambda: False, self._end)
        if not self._selector.get_map():
            self._reap(self._end)
        status = self._status
        self._kill()
        if self._partial:
            self._add_line(self._partial)
            self._partial = b""
        self._errors.seek(0)
        resets, triple_faults = read_resets(self._reset_log)
        return Ending(self.lines, status, self._reason, resets, triple_faults, self._resident_kib,
                      time.monotonic() - self._start, self._errors.read().decode(errors="replace"))

    # QMP

    def qmp(self, command: str, **arguments: Any) -> Any:
        number = f"{command}-{len(self._replies)}"
        self._send({"execute": command, "arguments": arguments, "id": number})
        answer: list[dict[str, Any]] = []

        def look() -> bool:
            answer.extend(r for r in self._replies if r.get("id") == number)
            return bool(answer)

        self._pump(look, self._end)
        if not answer:
            raise DeadlineError(f"no answer to {command}")
        if "error" in answer[0]:
            raise QmpError(answer[0]["error"]["desc"])
        return answer[0]["return"]

    def monitor(self, command: str, cpu: int | None = None) -> str:
        arguments: dict[str, Any] = {"command-line": command}
        if cpu is not None:
            arguments["cpu-index"] = cpu
        return self.qmp("human-monitor-command", **arguments)

    # The machinery

    def _limit(self, seconds: float | None) -> float:
        return self._end if seconds is None else min(self._end, time.monotonic() + seconds)

    def _pump(self, done: Callable[[], bool], limit: float) -> None:
        """Reads until done, until both of QEMU's streams have ended, or until the limit."""
        while not done() and self._selector.get_map():
            left = limit - time.monotonic()
            if left <= 0:
                return
            for key, _ in self._selector.select(left):
                key.data()

    def _read_serial(self) -> None:
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data:
            self._selector.unregister(self._process.stdout)
            return
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self._add_line(line)

    def _add_line(self, line: bytes) -> None:
        self.lines.append(line.decode(errors="replace").rstrip("\r"))

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._qmp.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass  # QEMU is gone; the reader notices.

    def _read_qmp(self) -> None:
        try:
            data = self._qmp.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(self._qmp)
            return
        *whole, self._qmp_buffer = (self._qmp_buffer + data).split(b"\n")
        for text in whole:
            message = json.loads(text)
            if message.get("event") == "SHUTDOWN":
                self._reason = message["data"]["reason"]
            elif "id" in message:
                self._replies.append(message)

    def _reap(self, limit: float) -> None:
        """Its streams have ended: the process follows at once, unless it is stuck."""
        while self._status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._status = self._process.returncode = os.waitstatus_to_exitcode(status)
                self._resident_kib = usage.ru_maxrss
            elif time.monotonic() > limit:
                return
            else:
                time.sleep(0.002)

    def _kill(self) -> None:
        if self._status is None and self._process.returncode is None:
            self._process.kill()
            _, status, usage = os.wait4(self.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._resident_kib = usage.ru_maxrss


def read_resets(log: Path) -> tuple[list[Reset], int]:
    """The CPU resets in QEMU's log, and the number of triple faults."""
    resets: list[Reset] = []
    triple_faults = 0
    cpu: int | None = None
    text = log.read_text(errors="replace") if log.exists() else ""
    for line in text.splitlines():
        if found := re.match(r"CPU Reset \(CPU (\d+)\)", line):
            cpu = int(found[1])
        elif "Triple fault" in line:
            triple_faults += 1
        elif cpu is not None and (found := re.match(r"(E|R)IP=([0-9a-f]+)", line)):
            resets.append(Reset(cpu, int(found[2], 16), found[1] == "R"))
            cpu = None
    return resets, triple_faults


def run(machine: Machine) -> Ending:
    """Boots and waits for the end."""
    with Qemu(machine) as qemu:
        return qemu.finish()
