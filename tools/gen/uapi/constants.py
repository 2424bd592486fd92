"""Turns the macros and enumerators of Linux headers into macro-free constexpr C++ headers.

The text of a header only tells which names exist; every value is computed by the compiler.
"""

import re
import subprocess

import linux_headers

CC = "clang-19"
FLAGS = ["-std=gnu17", "-w", "-x", "c", "--target=x86_64-linux-gnu", "-fno-caret-diagnostics",
         "-ferror-limit=0"]

# C++ keywords, and macros of libc or of the compiler that are spelled in lower case.  The list is
# fixed, not read from the host, so the same names come out everywhere; the checks would show a gap.
RESERVED = set("""
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
char32_t class compl concept const consteval constexpr constinit const_cast continue co_await
co_return co_yield decltype default delete do double dynamic_cast else enum explicit export extern
false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr
operator or or_eq private protected public register reinterpret_cast requires return short signed
sizeof static static_assert static_cast struct switch template this thread_local throw true try
typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
linux unix i386 major minor makedev stdin stdout stderr errno assert offsetof htons htonl ntohs
ntohl si_pid si_uid si_value si_int si_ptr si_status si_utime si_stime si_addr si_band si_fd
si_timerid si_overrun si_lower si_upper si_pkey si_call_addr si_syscall si_arch sa_handler
sa_sigaction st_atime st_mtime st_ctime s6_addr sigev_notify_function sigev_notify_attributes alloca
""".split())


class Constant:
  """One exported name: the Linux spelling, ours, and what the compiler said about it."""

  def __init__(self, linux, body, value, size, signed):
    self.linux = linux
    self.body = body
    self.value = value
    self.size = size
    self.signed = signed
    self.name = ""
    self.type = ""


def compile_text(root, text, args):
  return subprocess.run([CC, *FLAGS, *linux_headers.include_flags(root), *args, "-"], input=text,
                        capture_output=True, text=True)


def includes(family):
  prelude = ["stddef.h", "stdint.h", "limits.h", "linux/types.h"]
  return "".join(f"#include <{h}>\n" 
                 for h in prelude + family.get("with", []) + family["headers"])


def enumerators(text):
  """Names inside every `enum { }` of preprocessed text."""
  names = []
  for start in re.finditer(r"\benum\b\s*\w*\s*(?:__attribute__\s*\(\(.*?\)\)\s*)?\{", text):
    end = text.find("}", start.end())
    depth, name_next = 0, True
    for token in re.finditer(r"[A-Za-z_]\w*|[(),]|\S", text[start.end():end]):
      if token[0] in "()":
        depth += 1 if token[0] == "(" else -1
      elif token[0] == "," and depth == 0:
        name_next = True
      elif name_next:
        names.append(token[0])
        name_next = False
  return names


def candidates(root, name, family):
  """Object-like macros and enumerators, in order of appearance, from the family's own files."""
  wanted = family["headers"] + family.get("from", [])
  out = compile_text(root, includes(family), ["-E", "-dD"])
  if out.returncode != 0:
    raise SystemExit(f"uapi: [{name}] does not preprocess:\n{out.stderr}")
  here, mine, found, plain = "", False, {}, []
  for line in out.stdout.splitlines():
    if line.startswith("# "):
      marker = re.match(r'# \d+ "([^"]*)"', line)
      if marker:
        here = marker[1].split("/linux-headers/include/")[-1]
        mine = here in wanted
      continue
    if line.startswith("#"):
      macro = re.match(r"#define (\w+)(\(?)\s*(.*)", line)
      if macro and mine and not macro[2]:
        found[macro[1]] = macro[3]
      gone = re.match(r"#undef (\w+)", line)
      if gone:
        found.pop(gone[1], None)
    elif mine:
      plain.append(line)
  for enumerator in enumerators("\n".join(plain)):
    found.setdefault(enumerator, "")
  match = [re.compile(m) for m in family.get("match", [""])]
  skip = [re.compile(m) for m in family.get("skip", [])]
  # Where only leading underscores tell two names apart, Linux means the bare one for programs.
  renamed = family.get("rename", {})
  found = {n: b for n, b in found.items()
           if n in renamed or not n.startswith("_") or n.lstrip("_") not in found}
  return {n: b for n, b in found.items()
          if any(m.search(n) for m in match) and not any(s.search(n) for s in skip)
          and re.search(r"[A-Z]", n) and (not re.search(r"[a-z]", n) or family.get("emit"))
          and b.count("(") == b.count(")") and b.count("{") == b.count("}") and ";" not in b}


def evaluate(root, name, family, names):
  """Asks the compiler which candidates are integer constant expressions, then for their values."""
  head = includes(family)
  order = list(names)
  first = head.count("\n") + 1
  probe = head + "".join(f"enum {{ probe_{i} = ({n}) }};\n" for i, n in enumerate(order))
  out = compile_text(root, probe, ["-fsyntax-only"])
  bad = set()
  for line in out.stderr.splitlines():
    error = re.match(r"<stdin>:(\d+):\d+: error", line)
    if error:
      bad.add(int(error[1]) - first)
    elif re.search(r": (fatal )?error: ", line):
      raise SystemExit(f"uapi: [{name}] a Linux header does not compile:\n{out.stderr}")
  good = [n for i, n in enumerate(order) if i not in bad]
  body = "".join(
      f'asm volatile(".ascii \\"@ {n} %c0 %c1 %c2\\"" :: "i"({n}), "i"(sizeof({n})),'
      f' "i"((__typeof__({n}))-1 < (__typeof__({n}))1));\n' for n in good)
  out = compile_text(root, head + "void probe(void) {\n" + body + "}\n", ["-S", "-O1", "-o", "-"])
  if out.returncode != 0:
    raise SystemExit(f"uapi: [{name}] probe failed:\n{out.stderr}")
  values = {}
  for n, value, size, signed in re.findall(r'\.ascii\s+"@ (\w+) (-?\d+) (\d+) (\d+)"', out.stdout):
    number, bits = int(value), int(size) * 8
    number &= (1 << bits) - 1
    if signed == "1" and number >> (bits - 1):
      number -= 1 << bits
    values[n] = Constant(n, names[n], number, int(size), signed == "1")
  missing = [n for n in good if n not in values]
  if missing:
    raise SystemExit(f"uapi: [{name}] no value for {missing}")
  return [values[n] for n in good]


TYPES = {"int": (-2**31, 2**31 - 1), "unsigned": (0, 2**32 - 1), "long": (-2**63, 2**63 - 1),
         "unsigned long": (0, 2**64 - 1)}
SHORT = {"i32": "int", "u32": "unsigned", "i64": "long", "u64": "unsigned long"}


def give_type(constant, family):
  """int unless Linux says otherwise.

  A 64-bit unsigned constant stays 64-bit even when its value is small: `~flag` of a narrower type
  would clear the upper half of a 64-bit word.
  """
  for pattern, kind in family.get("types", {}).items():
    if re.search(pattern, constant.linux):
      constant.type = SHORT[kind]
      if constant.type == "int" and constant.value >= 2**31:
        constant.value -= 2**32
      if constant.type == "unsigned" and constant.value < 0:
        constant.value += 2**32
      break
  else:
    if constant.signed or constant.size < 4:
      constant.type = "int" if -2**31 <= constant.value < 2**31 else "long"
    else:
      constant.type = "unsigned" if constant.size == 4 else "unsigned long"
  low, high = TYPES[constant.type]
  if not low <= constant.value <= high:
    raise SystemExit(f"uapi: {constant.linux} = {constant.value} does not fit {constant.type}")


def lower(linux):
  """Lower case without leading underscores (those are reserved); a keyword gets one at the end."""
  name = linux.lower().lstrip("_")
  return name + "_" if name in RESERVED or not re.match(r"[a-z]", name) else name


def literal(constant):
  value, suffix = constant.value, {"unsigned": "U", "long": "L", "unsigned long": "UL"}.get(
      constant.type, "")
  if constant.type == "int" and value == -2**31:
    return "-0x7fffffff - 1"
  if value < 0:
    return f"{value}{suffix}"
  if re.match(r"\(?0[0-7]+\b", constant.body) and value > 7:
    return f"0{value:o}{suffix}"
  if value < 10 or re.fullmatch(r"(\(?[1-9]\d*[uUlL]*\)?|\w*)", constant.body) and value < 4096:
    return f"{value}{suffix}"
  return f"{value:#x}{suffix}"


def family_constants(root, name, family):
  out = []
  seen = {}
  for constant in evaluate(root, name, family, candidates(root, name, family)):
    give_type(constant, family)
    constant.name = family.get("rename", {}).get(constant.linux) or lower(constant.linux)
    twin = seen.get(constant.name)
    if twin and twin.value == constant.value:
      continue
    if twin:
      raise SystemExit(f"uapi: [{name}] {twin.linux} and {constant.linux} are both {constant.name}")
    seen[constant.name] = constant
    out.append(constant)
  if not out:
    raise SystemExit(f"uapi: [{name}] exports nothing")
  return out


def head(what):
  return ("// Generated from Linux's exported headers; do not edit.\n"
          f"// {what}\n#pragma once\n\n")


def emit_plain(name, family, constants):
  lines = [head(", ".join(f"<{h}>" for h in family["headers"])), "namespace uapi {\n\n"]
  lines += [f"inline constexpr {c.type} {c.name} = {literal(c)};\n" for c in constants]
  return "".join(lines) + "\n}  // namespace uapi\n"


def emit_errno(name, family, constants):
  """The error numbers as one enum; of two names for a number, the second is an alias."""
  first = {}
  for c in constants:
    if not re.fullmatch(r"E[A-Z0-9]+", c.body):
      first.setdefault(c.value, c)
  lines = [head(", ".join(f"<{h}>" for h in family["headers"])), "namespace uapi {\n\n",
           "enum class Errno : int {\n"]
  lines += [f"  {c.name} = {c.value},\n" for c in constants if first[c.value] is c]
  lines += [f"  {c.name} = {first[c.value].name},\n" for c in constants if first[c.value] is not c]
  lines += ["};\n\n", "// The Linux spelling (\"EPERM\"), or nullptr for a number that has none.\n",
            "[[nodiscard]] constexpr const char* name(Errno error) noexcept {\n",
            "  switch (error) {\n"]
  lines += [f'    case Errno::{c.name}: return "{c.linux}";\n' for c in first.values()]
  lines += ["  }\n  return nullptr;\n}\n\n}  // namespace uapi\n"]
  return "".join(lines)


def emit_syscalls(name, family, constants):
  """System-call numbers of the ISA in their own namespace: their names are those of functions."""
  lines = [head(", ".join(f"<{h}>" for h in family["headers"])), "namespace uapi::nr {\n\n"]
  lines += [f"inline constexpr unsigned {c.name} = {c.value};\n" for c in constants]
  lines += ["\n}  // namespace uapi::nr\n\n", "namespace uapi {\n\n",
            "// One more than the highest number.\n",
            f"inline constexpr unsigned syscall_count = {max(c.value for c in constants) + 1};\n\n",
            "// \"read\" for 0; nullptr for a number without a call.\n",
            "[[nodiscard]] constexpr const char* syscall_name(unsigned number) noexcept {\n",
            "  switch (number) {\n"]
  lines += [f'    case {c.value}: return "{c.linux.removeprefix("__NR_")}";\n' for c in constants]
  lines += ["    default: return nullptr;\n", "  }\n}\n\n}  // namespace uapi\n"]
  return "".join(lines)


EMIT = {"plain": emit_plain, "errno": emit_errno, "syscalls": emit_syscalls}


def prepare_syscalls(constants):
  for c in constants:
    bare = c.linux.removeprefix("__NR_").lower()
    c.name = bare + "_" if bare in RESERVED else bare
