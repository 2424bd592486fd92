#!/usr/bin/python3
"""Turns linked kernel images into what boots.

  image.py tables PASS1 TABLES_S GRAPH_TXT   symbol table and init order, read from the first link
  image.py finish PASS2 SETUP UNPACK VMLINUX BZIMAGE   sorts tables, writes both images
"""
import re
import struct
import subprocess
import sys

LARGE_PAGE = 2 << 20
# In kernel/boot/x86_64/unpack.S.
UNPACKED_AT = 0x1f0
# Bytes of the protocol's structure of that name.
KERNEL_INFO = 16


class Elf:
    """The little of a 64-bit ELF file that image building needs."""

    def __init__(self, path):
        self.data = bytearray(open(path, "rb").read())
        phoff, shoff = struct.unpack_from("<QQ", self.data, 32)
        phnum, _, shnum, _ = struct.unpack_from("<HHHH", self.data, 56)
        self.segments = []
        for i in range(phnum):
            kind, _, off, va, pa, filesz, memsz, _ = struct.unpack_from(
                "<IIQQQQQQ", self.data, phoff + 56 * i)
            if kind == 1:
                self.segments.append((off, va, pa, filesz, memsz))
        self.symbols = {}
        self.functions = []
        sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + 64 * i)
                    for i in range(shnum)]
        for _, kind, _, _, off, size, link, _, _, _ in sections:
            if kind != 2:
                continue
            names = sections[link][4]
            for at in range(off, off + size, 24):
                name, info, _, shndx, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
                end = self.data.index(0, names + name)
                text = self.data[names + name:end].decode()
                if shndx == 0 or not text:
                    continue
                self.symbols[text] = value
                self.functions.append((value, info & 15, text))

    def offset(self, va):
        for off, start, _, filesz, _ in self.segments:
            if start <= va < start + filesz:
                return off + va - start
        raise SystemExit(f"image.py: address {va:#x} is in no segment")

    def bytes(self, start, end):
        size = self.symbols[end] - self.symbols[start]
        if size == 0:
            return b""
        off = self.offset(self.symbols[start])
        return bytes(self.data[off:off + size])

    def string(self, va):
        off = self.offset(va)
        return self.data[off:self.data.index(0, off)].decode()


def demangle(names):
    out = subprocess.run(["llvm-cxxfilt-19"], input="\n".join(names), text=True,
                         capture_output=True, check=True)
    return out.stdout.splitlines()


MOST_ARGUMENTS = 40  # characters of a template's arguments that a name still shows
PROTECTED = re.compile(r"operator(\(\)|->\*?|<=>|<<=?|>>=?|[<>]=?)|->")
PARAMETERS = re.compile(r" ?\([^()]*\)( const)?")


def short_name(name):
    """Namespace and function of a demangled name, without parameters and long template arguments."""
    name = name.replace("(anonymous namespace)::", "").replace("auk::", "")
    # The brackets of operators are part of their names.
    kept = []
    name = PROTECTED.sub(lambda m: kept.append(m[0]) or f"\0{len(kept) - 1}\0", name)
    while PARAMETERS.search(name):
        name = PARAMETERS.sub("", name)
    out, start, depth = "", 0, 0
    for i, c in enumerate(name):
        if c == "<":
            depth += 1
            if depth == 1:
                start = i + 1
        elif c == ">":
            depth -= 1
            if depth == 0:
                inner = name[start:i]
                out += f"<{inner if len(inner) <= MOST_ARGUMENTS else '...'}>"
        elif depth == 0:
            # A template's name comes with its return type in front.
            out = out + c if c != " " or "\0" in out else ""
    return re.sub("\0(\\d+)\0", lambda m: kept[int(m[1])], out)


def c_string(s):
    return s.replace("\\", "\\\\").replace('"', '\\"')


def init_order(elf):
    """Rows of reg_init_task sorted so that each runs after what it needs."""
    rows = []
    raw = elf.bytes("__ld_init_task", "__ld_init_task_end")
    for at in range(0, len(raw), 32):
        name, needs, provides, _ = struct.unpack_from("<QQQQ", raw, at)
        rows.append((elf.string(name), elf.string(needs).split(), elf.string(provides).split()))
    providers = {}
    for i, (name, _, provides) in enumerate(rows):
        for what in [name] + provides:
            providers.setdefault(what, []).append(i)
    order, state, path = [], {}, []

    def visit(i):
        if state.get(i) == 2:
            return
        if state.get(i) == 1:
            loop = " -> ".join(rows[k][0] for k in path[path.index(i):] + [i])
            raise SystemExit(f"image.py: init tasks form a cycle: {loop}")
        state[i] = 1
        path.append(i)
        for need in rows[i][1]:
            if need not in providers:
                raise SystemExit(f"image.py: init task '{rows[i][0]}' needs '{need}', "
                                 "which nothing provides")
            for k in providers[need]:
                visit(k)
        path.pop()
        state[i] = 2
        order.append(i)

    for i in sorted(range(len(rows)), key=lambda i: rows[i][0]):
        visit(i)
    return order, rows


def tables(pass1, out, graph):
    elf = Elf(pass1)
    lo, hi = elf.symbols["__ld_text_start"], elf.symbols["__ld_text_end"]
    by_address = {}
    for value, kind, name in elf.functions:
        if lo <= value < hi and kind in (0, 2) and not name.startswith(("__ld_", ".L", "__cfi_")):
            # A function beats a plain label at the same address.
            if value not in by_address or kind == 2:
                by_address[value] = name
    addresses = sorted(by_address)
    names = [short_name(n) for n in demangle([by_address[a] for a in addresses])]
    order, rows = init_order(elf)
    with open(out, "w") as f:
        f.write("// Generated from the first link; do not edit.\n")
        f.write('  .section ksym_addrs, "a", @progbits\n  .balign 4\n')
        at = 0
        for a, n in zip(addresses, names):
            f.write(f"  .long {a - lo:#x}, {at}\n")
            at += len(n.encode()) + 1
        f.write('  .section ksym_names, "a", @progbits\n')
        for n in names:
            f.write(f'  .asciz "{c_string(n)}"\n')
        f.write('  .section init_order, "a", @progbits\n')
        for i in order:
            f.write(f"  .short {i}\n")
        f.write('  .section .note.GNU-stack, "", @progbits\n')
    with open(graph, "w") as f:
        for i in order:
            name, needs, provides = rows[i]
            f.write(f"{name}: needs [{' '.join(needs)}] provides [{' '.join(provides)}]\n")


def sort_exception_table(elf):
    """Rows are two self-relative 32-bit offsets; the handler searches them by address."""
    start = elf.symbols["__ld_ex_table"]
    raw = elf.bytes("__ld_ex_table", "__ld_ex_table_end")
    rows = []
    for at in range(0, len(raw), 8):
        insn, fixup = struct.unpack_from("<ii", raw, at)
        rows.append((start + at + insn, start + at + 4 + fixup))
    rows.sort()
    for n, (insn, fixup) in enumerate(rows):
        at = start + 8 * n
        struct.pack_into("<ii", elf.data, elf.offset(start) + 8 * n, insn - at, fixup - at - 4)


def only_segment(path):
    """The bytes of the one segment of a 32-bit or 64-bit ELF file."""
    data = open(path, "rb").read()
    if data[4] == 1:
        phoff, = struct.unpack_from("<I", data, 28)
        _, off, _, _, filesz = struct.unpack_from("<IIIII", data, phoff)
    else:
        phoff, = struct.unpack_from("<Q", data, 32)
        _, _, off, _, _, filesz = struct.unpack_from("<IIQQQQ", data, phoff)
    return bytearray(data[off:off + filesz])


def compressed(flat, unpacker):
    """`unpacker` with the image behind it, and where in memory it puts the image."""
    packed = subprocess.run(["lz4", "-l", "-12", "-c", "-"], input=flat, capture_output=True,
                            check=True).stdout
    # A block of no bytes is the end.
    whole = unpacker + packed + bytes(4)
    whole += bytes(-len(whole) % 16)
    # Congruent with where it is loaded: without KASLR the addresses are those of vmlinux.
    unpacked_at = (len(whole) + KERNEL_INFO + LARGE_PAGE - 1) // LARGE_PAGE * LARGE_PAGE
    struct.pack_into("<I", whole, UNPACKED_AT, unpacked_at)
    return whole, unpacked_at, len(packed)


def finish(pass2, setup_path, unpack_path, vmlinux, bzimage):
    elf = Elf(pass2)
    sort_exception_table(elf)
    # Loaders look for ET_EXEC; the image relocates itself.
    struct.pack_into("<H", elf.data, 16, 2)
    open(vmlinux, "wb").write(elf.data)

    base = elf.segments[0][2]
    end = max(pa + filesz for _, _, pa, filesz, _ in elf.segments)
    memory_end = max(pa + memsz for _, _, pa, _, memsz in elf.segments)
    flat = bytearray(end - base)
    for off, _, pa, filesz, _ in elf.segments:
        flat[pa - base:pa - base + filesz] = elf.data[off:off + filesz]

    unpacker = only_segment(unpack_path)
    whole, unpacked_at, packed_bytes = compressed(flat, unpacker)
    setup = only_segment(setup_path)
    room = (setup[0x1f1] + 1) * 512
    if len(setup) > room:
        raise SystemExit("image.py: the real-mode part does not fit into its sectors")
    setup += bytes(room - len(setup))
    # kernel_info lies at the end: "LToP", size, total size, setup_type_max.
    kernel_info = len(whole)
    whole += struct.pack("<4sIII", b"LToP", KERNEL_INFO, KERNEL_INFO, 0)
    struct.pack_into("<I", setup, 0x1f4, len(whole) // 16)
    struct.pack_into("<II", setup, 0x248, len(unpacker), packed_bytes)
    struct.pack_into("<I", setup, 0x260, unpacked_at + memory_end - base)
    struct.pack_into("<I", setup, 0x268, kernel_info)
    open(bzimage, "wb").write(setup + whole)


if __name__ == "__main__":
    {"tables": tables, "finish": finish}[sys.argv[1]](*sys.argv[2:])
