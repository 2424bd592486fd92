#!/usr/bin/python3
"""Linux ABI facts for Auk.

  uapi.py BUILD build   make BUILD/include/generated/uapi/*.hpp if the list, the scripts, the
                        compiler or the Linux source package changed
  uapi.py BUILD check   prove constants and struct layouts against the Linux headers
  uapi.py BUILD list    print the generated headers, one a line (for the build system)

BUILD is shared by all profiles of a tree; a lock file lets several of them run this at once.
"""

import fcntl
import hashlib
import os
import pathlib
import sys

# What only a real run needs is imported there: most runs find everything up to date.
import linux_headers

HERE = pathlib.Path(__file__).resolve().parent
LIST = HERE / "constants.toml"


def load():
  import tomllib
  with LIST.open("rb") as file:
    data = tomllib.load(file)
  return data.get("lift", []), data["family"]


def outputs(build):
  """Only the section names matter here, so that the up-to-date test need not parse the list."""
  names = [line[8:-1] for line in LIST.read_text().splitlines() if line.startswith("[family.")
           and line.count(".") == 1]
  return {n: build / "include" / "generated" / "uapi" / f"{n}.hpp" for n in names}


def input_key():
  digest = hashlib.sha256()
  for path in sorted(HERE.glob("*.py")) + [LIST]:
    digest.update(path.name.encode() + path.read_bytes())
  compiler = os.stat(os.path.realpath("/usr/bin/clang-19"))
  digest.update(f"{linux_headers.tarball_key()} {compiler.st_size} {compiler.st_mtime_ns}".encode())
  return digest.hexdigest()


def write_if_changed(path, text):
  """An unchanged header keeps its time, so nothing that includes it is compiled again."""
  if path.exists() and path.read_text() == text:
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  new = path.with_name(path.name + f".{os.getpid()}")
  new.write_text(text)
  new.rename(path)


def make_family(job):
  import constants
  build, name, family = job
  try:
    found = constants.family_constants(build, name, family)
  except SystemExit as stop:
    return name, None, str(stop)
  kind = family.get("emit", "plain")
  if kind == "syscalls":
    constants.prepare_syscalls(found)
  text = constants.EMIT[kind](name, family, found)
  facts = [(c.linux, c.name) for c in found]
  return name, text, facts


def up_to_date(build, key):
  done = build / "done"
  return (done.exists() and done.read_text() == key
          and (build / "linux-headers" / "stamp").exists()
          and all(p.exists() for p in outputs(build).values()))


def command_build(build):
  """Returns at once if nothing changed; otherwise makes what changed, under the lock."""
  key = input_key()
  if up_to_date(build, key):
    return
  build.mkdir(parents=True, exist_ok=True)
  with (build / "lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if up_to_date(build, key):
      return
    make(build, key)


def make(build, key):
  import concurrent.futures
  import json
  lifts, families = load()
  headers_key = linux_headers.ensure(build, lifts)
  scripts = (HERE / "constants.py").read_bytes() + pathlib.Path(__file__).read_bytes()
  paths = outputs(build)
  facts_file = build / "facts.json"
  old = json.loads(facts_file.read_text()) if facts_file.exists() else {}
  facts, jobs = {}, []
  for name, family in families.items():
    family_key = hashlib.sha256(
        scripts + json.dumps([headers_key, family], sort_keys=True).encode()).hexdigest()
    if old.get(name, {}).get("key") == family_key and paths[name].exists():
      facts[name] = old[name]
    else:
      facts[name] = {"key": family_key}
      jobs.append((build, name, family))
  linux_headers.resource_dir()
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    made = list(pool.map(make_family, jobs))
  wrong = [names for _, text, names in made if text is None]
  if wrong:
    raise SystemExit("\n".join(wrong))
  for name, text, names in made:
    facts[name].update(names=names, emit=families[name].get("emit", "plain"),
                       headers=families[name]["headers"],
                       **{"with": families[name].get("with", [])})
  check_unique(facts)
  for name, text, names in made:
    write_if_changed(paths[name], text)
  for stale in (build / "include" / "generated" / "uapi").glob("*.hpp"):
    if stale.stem not in families:
      stale.unlink()
  facts_file.write_text(json.dumps(facts))
  (build / "done").write_text(key)
  if made:
    total = sum(len(f["names"]) for f in facts.values())
    print(f"uapi: {len(made)} headers made; {total} constants in all")


def check_unique(facts):
  """All generated headers share one namespace: a name may stand in one of them only."""
  owner, clashes = {}, []
  for family, entry in facts.items():
    if entry["emit"] != "plain":
      continue
    for linux, name in entry["names"]:
      if name in owner:
        clashes.append(f"{name} ({linux}) in [{owner[name]}] and [{family}]")
      owner[name] = family
  if clashes:
    raise SystemExit("uapi: names exported twice:\n  " + "\n  ".join(clashes))


def main():
  if len(sys.argv) != 3 or sys.argv[2] not in ("build", "check", "list"):
    raise SystemExit(__doc__)
  build = pathlib.Path(sys.argv[1]).resolve()
  if sys.argv[2] == "list":
    for path in outputs(build).values():
      print(path)
    return
  command_build(build)
  if sys.argv[2] == "check":
    import checks
    checks.run(build)


if __name__ == "__main__":
  main()
