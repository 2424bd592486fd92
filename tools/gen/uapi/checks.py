"""Proves the ABI headers against Linux by compiling test units.

One unit per generated header (every constant equals the macro), two per committed header (it stands
alone; size, offset and signedness of every field), one that all of next.hpp is still news, two with
everything together, and the hand-written ones in tests/uapi against the host's libc.

A committed header is read line by line, so it keeps to a fixed style:

  // Linux: <linux/stat.h>, <asm/stat.h>      what its unit includes, once, in the head comment
  struct name {  //= linux_name               `//=` only where Linux spells it differently
    std::uint32_t field;  //= linux_field     one declarator a line
    std::uint32_t pad;  //= -                 `-`: Linux has no name for it
    union {                                   nested types close with a member name;
    } member;  //= .                          `.`: anonymous in Linux; `name*`: Linux's is smaller
  };
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess

import linux_headers

ROOT = pathlib.Path(__file__).resolve().parents[3]
OURS = ROOT / "kernel" / "uapi"
TESTS = ROOT / "tests" / "uapi"

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion",
            "-Wunsafe-buffer-usage", "-Wno-invalid-offsetof", "-Werror"]

OPEN = re.compile(r"(struct|union)\s+(?:\[\[[^\]]*\]\]\s*)?(?:alignas\([^)]*\)\s*)?(\w+)?\s*\{"
                  r"(?:\s*//= (\S+).*|\s*//.*)?$")
CLOSE = re.compile(r"\}\s*(\w+)?(?:\[\w+\])?;(?:\s*//= (\S+).*|\s*//.*)?$")
FIELD = re.compile(r"([A-Za-z_][\w:<>, ]*[\w>])[ *&]+(\w+)((?:\[[^\]]*\])*)"
                   r"(?:\s*=[^;]*|\{[^;]*\})?;(?:\s*//= (\S+).*|\s*//.*)?$")


def parse(path):
  """-> (Linux headers, types, names of types with a union in them)

  A type is (our name, the Linux name, [(our path, the Linux path)]).
  """
  headers, types, scopes, overlaid = [], [], [], set()
  text = path.read_text()
  for found in re.finditer(r"^// Linux: (.*)$", text, re.M):
    headers += re.findall(r"<([^>]+)>", found[1])
  for number, raw in enumerate(text.splitlines(), 1):
    line = raw.strip()
    opened = OPEN.match(line)
    if opened:
      scopes.append((opened[2], opened[3] or opened[2], []))
      if opened[1] == "union":
        overlaid.add(scopes[0][0])
      continue
    if not scopes or not line or line.startswith("//") or line.startswith("static_assert"):
      continue
    closed = CLOSE.match(line)
    if closed:
      ours, linux, fields = scopes.pop()
      if not scopes:
        types.append((ours, linux, fields))
        continue
      if not closed[1]:
        raise SystemExit(f"{path}:{number}: a nested type needs a member name")
      there = closed[2] or closed[1]
      if there == "-":
        continue
      if there[-1] not in ".*":
        scopes[-1][2].append((closed[1], there))
      prefix = "" if there == "." else there.rstrip("*") + "."
      scopes[-1][2].extend((f"{closed[1]}.{a}", prefix + b) for a, b in fields)
      continue
    field = FIELD.match(line)
    if not field:
      raise SystemExit(f"{path}:{number}: not in the style the layout test can read: {line}")
    if field[1].removeprefix("uapi::") in overlaid:
      overlaid.add(scopes[0][0])
    if field[4] != "-":
      scopes[-1][2].append((field[2], field[4] or field[2]))
  return headers, types, overlaid


def include(names):
  return "".join(f"#include {n}\n" for n in names)


LAYOUT_HEAD = """
template <class Ours, class Linux>
constexpr bool same_kind =
    !std::is_integral_v<std::remove_all_extents_t<Ours>> ||
    !std::is_integral_v<std::remove_all_extents_t<Linux>> ||
    std::is_signed_v<std::remove_all_extents_t<Ours>> ==
        std::is_signed_v<std::remove_all_extents_t<Linux>>;
#define SAME(ours, a, theirs, b)                                                             \\
  static_assert(offsetof(uapi::ours, a) == offsetof(theirs, b), #ours "::" #a " offset");    \\
  static_assert(sizeof(((uapi::ours*)nullptr)->a) == sizeof(((theirs*)nullptr)->b),          \\
                #ours "::" #a " size");                                                      \\
  static_assert(same_kind<std::remove_reference_t<decltype((((uapi::ours*)nullptr)->a))>,    \\
                          std::remove_reference_t<decltype((((theirs*)nullptr)->b))>>,       \\
                #ours "::" #a " signedness")
"""


def spelled(path):
  """How kernel code includes one of our headers."""
  return f'"uapi/isa/{path.name}"' if path.parent.name == "x86_64" else f'"uapi/{path.name}"'


def layout_unit(path):
  headers, types, overlaid = parse(path)
  lines = [include([spelled(path), "<cstddef>", "<type_traits>", "<linux/types.h>"]),
           include([f"<{h}>" for h in headers]), LAYOUT_HEAD]
  fields = 0
  for ours, linux, members in types:
    if ours not in overlaid:
      lines.append(f"static_assert(std::has_unique_object_representations_v<uapi::{ours}>,\n"
                   f'              "{ours} has unnamed padding");\n')
    if linux == "-":
      continue
    if not headers:
      raise SystemExit(f"{path}: no `// Linux:` line")
    lines.append(f'static_assert(sizeof(uapi::{ours}) == sizeof(::{linux}), "{ours} size");\n')
    for a, b in members:
      fields += 1
      lines.append(f"SAME({ours}, {a}, ::{linux}, {b});\n")
  return "".join(lines), sum(1 for t in types if t[1] != "-"), fields


def next_unit(path):
  """Whatever next.hpp adds must be unknown to the headers at hand."""
  headers, _, _ = parse(path)
  lines = [include(f"<{h}>" for h in ["linux/types.h"] + headers)]
  prefix = ""
  for line in path.read_text().splitlines():
    if "namespace nr" in line:
      prefix = "" if line.startswith("}") else "__NR_"
    found = re.match(r"inline constexpr [\w:]+ (\w+) =[^;]*;(?:\s*//= (-))?", line)
    if found and not found[2]:
      linux = prefix + found[1] if prefix else found[1].upper()
      lines.append(f"#ifdef {linux}\n#error Linux has {linux} now: drop it from next.hpp\n#endif\n")
  return "".join(lines)


def constants_unit(name, entry):
  """The generated header comes first: it must not lean on anything."""
  lines = [include([f'"generated/uapi/{name}.hpp"', "<stddef.h>", "<stdint.h>", "<limits.h>",
                    "<linux/types.h>"] + [f"<{h}>" for h in entry["with"] + entry["headers"]])]
  scope = {"errno": "uapi::Errno::", "syscalls": "uapi::nr::"}.get(entry["emit"], "uapi::")
  for linux, ours in entry["names"]:
    lines.append(f"static_assert(static_cast<unsigned long>({scope}{ours}) == "
                 f"static_cast<unsigned long>({linux}));\n")
  if entry["emit"] == "errno":
    lines.append('static_assert(uapi::name(uapi::Errno::enoent)[2] == \'O\');\n')
  return "".join(lines)


def run(build):
  facts = json.loads((build / "facts.json").read_text())
  resource = pathlib.Path(linux_headers.resource_dir())
  common = ["clang++-19", "-std=c++23", "-fsyntax-only", "-I", str(build / "include"), "-I",
            str(ROOT / "kernel"), "-I", str(build / "tests"), "-I",
            str(build / "tests" / "overlay")]
  bare = common + ["--target=x86_64-linux-gnu", "-ffreestanding", "-nostdinc", "-nostdinc++",
                   "-isystem", str(resource.parents[2] / "include" / "c++" / "v1"),
                   *linux_headers.include_flags(build)[1:]]

  # "uapi/isa/x.hpp" is kernel/uapi/x86_64/x.hpp, as in the kernel's build.
  overlay = build / "tests" / "overlay" / "uapi"
  overlay.mkdir(parents=True, exist_ok=True)
  if not (overlay / "isa").is_symlink():
    (overlay / "isa").symlink_to(OURS / "x86_64")
  committed = sorted(OURS.glob("*.hpp")) + sorted((OURS / "x86_64").glob("*.hpp"))
  everything = [f'"generated/uapi/{n}.hpp"' for n in sorted(facts)]
  everything += map(spelled, committed)
  units = {}  # name -> (text, argv, what it depends on besides the text)
  for name, entry in facts.items():
    seen = (build / "include/generated/uapi" / f"{name}.hpp").read_bytes() + entry["key"].encode()
    units[f"constants_{name}"] = (constants_unit(name, entry), bare + ["-w"], seen)
  types = fields = 0
  all_ours = b"".join(p.read_bytes() for p in committed)
  for path in committed:
    text, t, f = layout_unit(path)
    types, fields = types + t, fields + f
    units[f"layout_{path.stem}"] = (text, bare + WARNINGS, all_ours)
    units[f"alone_{path.stem}"] = (include([spelled(path)] * 2), bare + WARNINGS, all_ours)
  units["next"] = (next_unit(OURS / "next.hpp"), bare + ["-w"], json.dumps(facts).encode())
  seen = all_ours + "".join(e["key"] for e in facts.values()).encode()
  units["together"] = (include(everything), bare + WARNINGS, seen)
  units["together_reversed"] = (include(reversed(everything)), bare + WARNINGS, seen)
  tests = build / "tests"
  tests.mkdir(parents=True, exist_ok=True)
  (tests / "uapi_all.inc").write_text(include(everything))
  for path in sorted(TESTS.glob("*.cpp")):
    units[f"host_{path.stem}"] = (path.read_text(), common + WARNINGS, seen)

  stamps_file = tests / "passed.json"
  passed = json.loads(stamps_file.read_text()) if stamps_file.exists() else {}
  script = pathlib.Path(__file__).read_bytes()

  def compile_unit(item):
    name, (text, argv, depends) = item
    key = hashlib.sha256(script + text.encode() + repr(argv).encode() + depends).hexdigest()
    if passed.get(name) == key:
      return name, key, None
    source = tests / f"{name}.cpp"
    source.write_text(text)
    done = subprocess.run(argv + [str(source)], capture_output=True, text=True)
    return name, key, "" if done.returncode == 0 else done.stderr or "failed"

  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    results = list(pool.map(compile_unit, units.items()))
  bad = [(n, e) for n, _, e in results if e]
  stamps_file.write_text(json.dumps({n: k for n, k, e in results if not e}))
  ran = sum(1 for _, _, e in results if e is not None)
  for name, error in bad:
    print(f"FAILED {name}\n{error[:4000]}")
  total = sum(len(e["names"]) for e in facts.values())
  print(f"uapi: {len(units)} test units ({ran} compiled, {len(bad)} failed): {total} constants, "
        f"{types} types, {fields} fields")
  if bad:
    raise SystemExit(1)
