#!/usr/bin/python3
"""Makes a broken copy of one kernel source: break.py VARIANT KERNEL OUT

A variant says which file it changes ("file: sched/wait.cpp"), what stands there ("replace:") and
what shall stand there instead ("by:"). The text must stand there exactly once: a variant that the
kernel has outgrown fails the build instead of testing nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    variant, kernel, out = (Path(word) for word in sys.argv[1:])
    head, _, rest = variant.read_text().partition("\nreplace:\n")
    old, by, new = rest.partition("\nby:\n")
    name = next((line[6:] for line in head.splitlines() if line.startswith("file: ")), None)
    if not name or not old or not by:
        print(f"{variant}: not in the form file, replace, by", file=sys.stderr)
        return 1
    source = (kernel / name).read_text()
    if source.count(old) != 1:
        print(f"{variant}: the text to replace stands {source.count(old)} times in kernel/{name}",
              file=sys.stderr)
        return 1
    target = out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source.replace(old, new.removesuffix("\n")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
