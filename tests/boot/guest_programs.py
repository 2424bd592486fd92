"""Programs that run in guests: plain C, without anything of the guest's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qemu import ROOT

BUILT = ROOT / "build" / "guest-tests"
COMPILER = ("clang-19", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g0", "-static", "-Wall", "-Wextra",
            "-Werror")
# Those of tests/guest that run one after the other in one guest.
PROGRAMS = ("file", "dir", "path", "protected", "mount", "landlock", "landlock_tree", "landlock_scope", "xattr", "at", "handle", "space", "memfd", "vector", "lock", "notify", "pipe", "splice", "event",
            "process", "family", "acct", "kcmp", "pidfd", "mount_object", "mount_report", "quota", "namespace", "pid_namespace", "small", "futex2", "exec", "capability", "file_caps", "signal", "ldt", "timer", "cputime", "affinity", "scheduling", "io_priority",
            "realtime", "futex", "futex_pi", "memory", "areas", "vm_access", "userfault", "vdso", "crowd", "oom", "overlay",
            "time", "adjtimex", "tty", "pty", "kmsg", "proc", "io_counts", "sysfs", "unix", "link", "netdevice", "netlink", "netlink_kernel", "readers", "misc")


def compile_program(source: Path, out: Path, *more: str) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    # Another suite may be using the one that is there.
    fresh = out.with_name(f"{out.name}.{os.getpid()}")
    subprocess.run([*COMPILER, *more, str(source), "-o", str(fresh)], check=True)
    fresh.rename(out)
    return out
