"""Unpacks the few parts of the Linux source package that `make headers_install` needs and runs it.

The result, DIR/linux-headers/include, is shared by every build profile of the machine.
"""

import hashlib
import os
import pathlib
import re

PACKAGE = "linux-source-6.12"
TARBALL = pathlib.Path("/usr/src/linux-source-6.12.tar.xz")
HOSTCC = "clang-19"

# What `headers_install` reads for x86_64.  arch/x86/tools and tools/include are only there because
# Kbuild builds the relocation tool before it installs anything.
MEMBERS = [
    "Kbuild", "Kconfig", "Makefile",
    "arch/x86/Kbuild", "arch/x86/Makefile", "arch/x86/entry/syscalls",
    "arch/x86/include/asm/Kbuild", "arch/x86/include/uapi", "arch/x86/tools",
    "include/asm-generic/Kbuild", "include/uapi", "scripts", "tools/include/tools",
]

# Linux headers that ask for libc ones get these instead: nothing of glibc may reach a probe.
SHIMS = {
    "sys/socket.h": "#pragma once\n#include <linux/socket.h>\n"
                    "#ifndef _SA_FAMILY_T\n#define _SA_FAMILY_T\n"
                    "typedef unsigned short sa_family_t;\n"
                    "struct sockaddr {\n  sa_family_t sa_family;\n  char sa_data[14];\n};\n"
                    "#endif\n",
    "features.h": "#pragma once\n",  # libc++ asks for it on any Linux target
    "sys/types.h": "#pragma once\n#include <linux/types.h>\n",
    "sys/time.h": "#pragma once\n#include <linux/time.h>\n",
    "sys/ioctl.h": "#pragma once\n#include <linux/ioctl.h>\n",
    "unistd.h": "#pragma once\n",
    "stdlib.h": "#pragma once\n",
    "string.h": "#pragma once\n",
    "time.h": "#pragma once\n",
}


def run(argv, **kwargs):
  import subprocess
  return subprocess.run(argv, check=True, **kwargs)


def package_version():
  import subprocess
  out = subprocess.run(["dpkg-query", "-W", "-f=${Version}", PACKAGE], capture_output=True,
                       text=True)
  return out.stdout.strip() or "unknown"


def tarball_key():
  """Cheap identity of the package's file: asking dpkg takes longer than all the rest."""
  try:
    st = TARBALL.stat()
  except FileNotFoundError:
    raise SystemExit(f"uapi: {TARBALL} is missing; install the package {PACKAGE}")
  return f"{TARBALL} {st.st_size} {st.st_mtime_ns}"


def lifted_name(path):
  return "lifted/" + path.removeprefix("include/")


def lift(text, match, blocks):
  """Keeps the wanted #define lines and the wanted enum or struct blocks of a header that Linux does
  not export although programs depend on its values."""
  joined = re.sub(r"/\*.*?\*/", " ", text.replace("\\\n", " "), flags=re.S)
  out = ["#pragma once", "#include <linux/types.h>", "#ifndef LIFTED_TYPES", "#define LIFTED_TYPES",
         "typedef __u64 u64;", "typedef __s64 s64;", "typedef __u32 u32;", "#endif"]
  for line in joined.splitlines():
    found = re.match(r"#\s*define\s+(\w+)\s+\S", line)
    if found and any(re.search(m, found[1]) for m in match):
      out.append(line)
  for block in blocks:
    found = re.search(block, joined, re.S | re.M)
    if not found:
      raise SystemExit(f"uapi: nothing to lift matches {block!r}")
    out.append(found[0])
  return "\n".join(out) + "\n"


def ensure(root, lifts):
  """Makes root/linux-headers if the package or the list of lifted headers changed.

  lifts: list of {file, match, blocks}.  Returns the key of what stands there.
  """
  import shutil
  import subprocess
  here = pathlib.Path(__file__).read_bytes()
  key = hashlib.sha256(here + tarball_key().encode() + repr(lifts).encode()).hexdigest()
  target = root / "linux-headers"
  stamp = target / "stamp"
  if stamp.exists() and stamp.read_text().split("\n", 1)[0] == key:
    return key

  print(f"uapi: unpacking {TARBALL.name} and running headers_install", flush=True)
  work = root / "linux-source"
  shutil.rmtree(work, ignore_errors=True)
  shutil.rmtree(target, ignore_errors=True)
  work.mkdir(parents=True)
  members = sorted({f"{PACKAGE}/{m}" for m in MEMBERS + [l["file"] for l in lifts]})
  names = work / "members"
  names.write_text("".join(m + "\n" for m in members))
  unxz = subprocess.Popen(["xz", "-dc", "-T0", str(TARBALL)], stdout=subprocess.PIPE)
  run(["tar", "-x", "-C", str(work), "--strip-components=1", "-T", str(names)], stdin=unxz.stdout)
  unxz.stdout.close()
  if unxz.wait() != 0:
    raise SystemExit("uapi: xz failed")

  # The caller may itself run below make or ninja: their job server and flags are not for this make.
  env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
  log = root / "headers_install.log"
  with log.open("w") as out:
    done = subprocess.run(
        ["make", f"-j{os.cpu_count() or 1}", "headers_install", "ARCH=x86_64", f"HOSTCC={HOSTCC}",
         f"INSTALL_HDR_PATH={target}"], cwd=work, env=env, stdout=out, stderr=subprocess.STDOUT)
  if done.returncode != 0:
    raise SystemExit(f"uapi: headers_install failed, see {log}")

  for path, text in SHIMS.items():
    shim = target / "shim" / path
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.write_text(text)
  for entry in lifts:
    out = target / "include" / lifted_name(entry["file"])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(lift((work / entry["file"]).read_text(), entry.get("match", []),
                        entry.get("blocks", [])))
  shutil.rmtree(work)
  stamp.write_text(f"{key}\n{PACKAGE} {package_version()}\n")
  return key


def include_flags(root):
  """Search path of a compilation that sees Linux headers and nothing of the host's libc."""
  resource = resource_dir()
  base = root / "linux-headers"
  return ["-nostdinc", "-isystem", f"{resource}/include", "-isystem", str(base / "shim"),
          "-isystem", str(base / "include")]


_resource = None


def resource_dir():
  import subprocess
  global _resource
  if _resource is None:
    _resource = subprocess.run(["clang-19", "-print-resource-dir"], capture_output=True, text=True,
                               check=True).stdout.strip()
  return _resource
