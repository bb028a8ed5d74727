"""Read what a shared library exports and needs, whichever system it is for: ELF, Mach-O and PE, all of 64 bits.

    python scripts/libraries.py src/inklens/linear/kernels/_kernels.so

Each reader follows the names and numbers of its format's specification: elf.h, mach-o/loader.h, and Microsoft's "PE
Format". Only what the checks of scripts/build_wheels.py ask is read.
"""

import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

MACHINES = {
    ("ELF", 62): "x86_64", ("ELF", 183): "aarch64", ("Mach-O", 0x1000007): "x86_64", ("Mach-O", 0x100000C): "aarch64",
    ("PE", 0x8664): "x86_64", ("PE", 0xAA64): "aarch64",
}  # fmt: skip


@dataclass
class Library:
    """What a loader reads of a shared library."""

    form: str  # ELF, Mach-O or PE
    machine: str  # x86_64, aarch64, or the format's number
    exports: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)  # other libraries
    glibc: tuple[int, ...] = ()  # the newest version of glibc whose symbols are used
    system: tuple[int, ...] = ()  # macOS: the oldest one that loads it
    is_signed: bool = False  # macOS on ARM loads nothing else
    runs_its_stack: bool = False  # Linux: asks for a stack that can be executed, which glibc 2.41 refuses


def read(path: Path) -> Library:
    """Read a library; raises ValueError where it is none of the three."""
    data = Path(path).read_bytes()
    if data[:5] == b"\x7fELF\x02":
        return _read_elf(data)
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return _read_mach(data)
    if data[:2] == b"MZ":
        return _read_pe(data)
    raise ValueError(f"{path} is no shared library of 64 bits (ELF, Mach-O or PE)")


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _machine(form: str, number: int) -> str:
    return MACHINES.get((form, number), hex(number))


# ---- ELF -------------------------------------------------------------------------------------------------------------

PT_GNU_STACK, PF_X = 0x6474E551, 1
SHT_DYNAMIC, SHT_DYNSYM, SHT_GNU_VERNEED, DT_NEEDED = 6, 11, 0x6FFFFFFE, 1


def _read_elf(data: bytes) -> Library:
    found = Library("ELF", _machine("ELF", struct.unpack_from("<H", data, 18)[0]), runs_its_stack=True)
    segments, sections = struct.unpack_from("<QQ", data, 32)
    _, n_segments, _, n_sections, _ = struct.unpack_from("<5H", data, 54)
    for i in range(n_segments):
        kind, flags = struct.unpack_from("<II", data, segments + 56 * i)
        if kind == PT_GNU_STACK:
            found.runs_its_stack = bool(flags & PF_X)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, sections + 64 * i) for i in range(n_sections)]
    for _, kind, _, _, at, size, link, *_ in headers:
        names = headers[link][4]  # the table of strings that the section names
        if kind == SHT_DYNSYM:
            for name, info, _, section in struct.iter_unpack("<IBBH16x", data[at : at + size]):
                if section and info >> 4 in (1, 2):  # defined here, global or weak
                    found.exports.add(_text(data, names + name))
        elif kind == SHT_DYNAMIC:
            for tag, value in struct.iter_unpack("<QQ", data[at : at + size]):
                if tag == DT_NEEDED:
                    found.needs.add(_text(data, names + value))
        elif kind == SHT_GNU_VERNEED:
            found.glibc = max(_versions(data, at, names), default=())
    return found


def _versions(data: bytes, at: int, names: int) -> list[tuple[int, ...]]:
    """Versions of glibc in the section of needed ones: chains of files, each with a chain of names."""
    found, step = [], 1
    while step:
        _, count, _, first, step = struct.unpack_from("<HHIII", data, at)
        entry = at + first
        for _ in range(count):
            _, _, _, name, after = struct.unpack_from("<IHHII", data, entry)
            version = _text(data, names + name)
            if version.startswith("GLIBC_"):
                found.append(_numbers(version.removeprefix("GLIBC_")))
            entry += after
        at += step
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


# ---- Mach-O ----------------------------------------------------------------------------------------------------------

LC_LOAD_DYLIB, LC_CODE_SIGNATURE, LC_VERSION_MIN, LC_BUILD_VERSION = 0xC, 0x1D, 0x24, 0x32
LC_DYLD_INFO, LC_DYLD_INFO_ONLY, LC_DYLD_EXPORTS_TRIE = 0x22, 0x80000022, 0x80000033


def _read_mach(data: bytes) -> Library:
    _, machine, _, _, n_commands, _, _, _ = struct.unpack_from("<8I", data)
    found = Library("Mach-O", _machine("Mach-O", machine))
    at = 32
    for _ in range(n_commands):
        command, size = struct.unpack_from("<II", data, at)
        if command in (LC_DYLD_INFO, LC_DYLD_INFO_ONLY, LC_DYLD_EXPORTS_TRIE):
            start, length = struct.unpack_from("<II", data, at + (8 if command == LC_DYLD_EXPORTS_TRIE else 40))
            names = _trie_names(data[start : start + length], 0, "") if length else []
            found.exports.update(name.removeprefix("_") for name in names)
        elif command == LC_LOAD_DYLIB:
            found.needs.add(_text(data, at + struct.unpack_from("<I", data, at + 8)[0]))
        elif command in (LC_VERSION_MIN, LC_BUILD_VERSION):
            version = struct.unpack_from("<I", data, at + (8 if command == LC_VERSION_MIN else 12))[0]
            found.system = version >> 16, version >> 8 & 255
        elif command == LC_CODE_SIGNATURE:
            found.is_signed = True
        at += size
    return found


def _trie_names(trie: bytes, at: int, prefix: str) -> list[str]:
    """Names in the tree that dyld looks in for exports: a node's own entry, then children, each behind its letters."""
    size, at = _uleb(trie, at)
    found, at = [prefix] if size else [], at + size
    n_children, at = trie[at], at + 1
    for _ in range(n_children):
        letters = _text(trie, at)
        child, at = _uleb(trie, at + len(letters) + 1)
        found += _trie_names(trie, child, prefix + letters)
    return found


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """Read a number in groups of seven bits, the lowest first; return it and where the next thing starts."""
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return number, at


# ---- PE --------------------------------------------------------------------------------------------------------------


def _read_pe(data: bytes) -> Library:
    header = struct.unpack_from("<I", data, 0x3C)[0] + 4
    machine, n_sections, _, _, _, optional_size, _ = struct.unpack_from("<HHIIIHH", data, header)
    found = Library("PE", _machine("PE", machine))
    optional = header + 20
    sections = [
        struct.unpack_from(
            "<8x4I", data, optional + optional_size + 40 * i
        )  # size, address, size and place in the file
        for i in range(n_sections)
    ]

    def place(address: int) -> int:
        return next(at + address - start for _, start, size, at in sections if start <= address < start + size)

    (exports, _), (imports, _) = struct.iter_unpack("<II", data[optional + 112 : optional + 128])
    if exports:
        count, _, names = struct.unpack_from("<24x3I", data, place(exports))
        for name in struct.unpack_from(f"<{count}I", data, place(names)):
            found.exports.add(_text(data, place(name)))
    at = place(imports) if imports else 0
    while at and (name := struct.unpack_from("<12xI", data, at)[0]):
        found.needs.add(_text(data, place(name)))
        at += 20
    return found


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(argument, read(Path(argument)))
