"""Zip archives, read strictly: what two programs could read differently is refused before a byte is inflated.

An archive begins with its first member and ends with its end record, its members follow each other without gaps or
overlaps, local headers say what the directory says, members are stored or deflated. `csrc/runtime/zip_reader.cpp` holds
the same rules; `tests/format` holds the cases.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from emoface.errors import EmoFaceError
from emoface.manifest_schema import shown

MOST_MEMBERS = 4096
_MOST_DIRECTORY = 2 << 20
_PIECE = 1 << 20
# Deflate cannot shrink by more.
_BEST_RATIO = 1032

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_SATURATED = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
# Of the flags: how hard deflate tried, sizes behind the data, names in UTF-8.
_ENCRYPTED, _DESCRIPTOR, _ALLOWED = 0x2041, 0x0008, 0x080E
# Lengths of a data descriptor, with and without signature and 64-bit sizes.
_DESCRIPTORS = (12, 16, 20, 24)


class Member(NamedTuple):
    """One member as the directory has it; `header` is the offset of its local header."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int


class Archive:
    """A zip archive in a seekable file.

    Args:
        file: the archive; read, never closed.
        fault: makes the error for what is wrong, said in a few words.
        check_name: called with every member's name, raises for one that has no place here.
    """

    def __init__(self, file: BinaryIO, fault: Callable[[str], EmoFaceError], check_name: Callable[[str], None]) -> None:
        self._file = file
        self._fault = fault
        self.size = file.seek(0, io.SEEK_END)
        start, members = self._directory(check_name)
        self._data = self._check_places(members, start)
        self.members = {member.name: member for member in members}

    @property
    def inflated(self) -> int:
        """Bytes of all members together, as the directory has them."""
        return sum(member.size for member in self.members.values())

    def _at(self, offset: int, length: int) -> bytes:
        if offset < 0 or offset + length > self.size:
            raise self._fault("a header beyond the end of the file")
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise self._fault("a file that became shorter")
        return data

    def _directory(self, check_name: Callable[[str], None]) -> tuple[int, list[Member]]:
        """Offset of the directory, and its entries."""
        if self.size < _END.size:
            raise self._fault("not a zip file")
        end = self.size - _END.size
        signature, disk, start_disk, here, count, length, start, comment = _END.unpack(self._at(end, _END.size))
        if signature != b"PK\5\6" or comment:
            known = self._at(0, 4) in (b"PK\3\4", b"PK\5\6")
            raise self._fault("no end record at its end" if known else "not a zip file")
        if 0xFFFF in (count, here) or _SATURATED in (length, start):
            end, here, count, length, start = self._end64(end, (here, count, length, start))
        if disk or start_disk or here != count:
            raise self._fault("an archive of several disks")
        if count > MOST_MEMBERS:
            raise self._fault(f"{count} members, at most {MOST_MEMBERS}")
        if length > _MOST_DIRECTORY:
            raise self._fault(f"a directory of {length} bytes, at most {_MOST_DIRECTORY}")
        if start + length != end:
            raise self._fault("a directory that is not where the end record says")
        directory = self._at(start, length)
        members: list[Member] = []
        names: set[str] = set()
        at = 0
        for _ in range(count):
            if len(directory) - at < _CENTRAL.size:
                raise self._fault("a broken directory")
            member, at = self._entry(directory, at, check_name)
            if member.name in names:
                raise self._fault(f"{shown(member.name)}: twice in the archive")
            names.add(member.name)
            members.append(member)
        if at != length:
            raise self._fault("a broken directory")
        return start, members

    def _end64(self, end: int, short: tuple[int, int, int, int]) -> tuple[int, int, int, int, int]:
        """Where the zip64 records begin, and what they say instead of `short`."""
        wrong = self._fault("a broken zip64 end record")
        if end < _LOCATOR.size + _END64.size:
            raise wrong
        place = end - _LOCATOR.size - _END64.size
        signature, disk, offset, disks = _LOCATOR.unpack(self._at(end - _LOCATOR.size, _LOCATOR.size))
        if signature != b"PK\6\7" or disk or disks != 1 or offset != place:
            raise wrong
        signature, length, _, _, disk, start_disk, *long = _END64.unpack(self._at(place, _END64.size))
        if signature != b"PK\6\6" or length != _END64.size - 12 or disk or start_disk:
            raise wrong
        for value, full, most in zip(short, long, (0xFFFF, 0xFFFF, _SATURATED, _SATURATED), strict=True):
            if value not in (most, full):
                raise wrong
        return place, long[0], long[1], long[2], long[3]

    def _entry(self, directory: bytes, at: int, check_name: Callable[[str], None]) -> tuple[Member, int]:
        signature, _, _, flags, method, _, _, crc, packed, size, *rest = _CENTRAL.unpack_from(directory, at)
        name_length, extra_length, comment, disk, _, _, header = rest
        begin = at + _CENTRAL.size
        at = begin + name_length + extra_length + comment
        if signature != b"PK\1\2" or at > len(directory):
            raise self._fault("a broken directory")
        name = directory[begin : begin + name_length].decode("latin-1")
        check_name(name)
        if _SATURATED in (packed, size, header):
            extra = directory[begin + name_length : begin + name_length + extra_length]
            size, packed, header = self._wide(name, extra, (size, packed, header))
        if flags & _ENCRYPTED:
            raise self._fault(f"{shown(name)}: encrypted")
        if method not in (_STORED, _DEFLATED):
            known = _METHODS.get(method, f"compression method {method}")
            raise self._fault(f"{shown(name)}: packed with {known}: only stored and deflated members are read")
        if flags & ~_ALLOWED or disk:
            raise self._fault(f"{shown(name)}: flags {flags:#x}")
        if size > (packed if method == _STORED else packed * _BEST_RATIO) or (method == _STORED and size != packed):
            raise self._fault(f"{shown(name)}: a size that its bytes cannot have")
        return Member(name, flags, method, crc, packed, size, header), at

    def _wide(self, name: str, extra: bytes, short: Sequence[int]) -> list[int]:
        """Values of which those that do not fit 32 bits stand in the extra field of zip64, in this order."""
        at = 0
        while len(extra) - at >= 4:
            kind, length = struct.unpack_from("<2H", extra, at)
            wide = extra[at + 4 : at + 4 + length]
            at += 4 + length
            if kind != 1:
                continue
            values, used = list(short), 0
            for index, value in enumerate(short):
                if value == _SATURATED and len(wide) - used >= 8:
                    values[index] = struct.unpack_from("<Q", wide, used)[0]
                    used += 8
                elif value == _SATURATED:
                    raise self._fault(f"{shown(name)}: a broken zip64 field")
            return values
        raise self._fault(f"{shown(name)}: a broken zip64 field")

    def _check_places(self, members: list[Member], start: int) -> dict[str, int]:
        """Offsets of the members' bytes; local headers agree, and members fill the file up to its directory."""
        places: dict[str, int] = {}
        expected = 0
        gaps: tuple[int, ...] = (0,)
        for member in sorted(members, key=lambda member: member.header):
            if member.header - expected not in gaps:
                raise self._fault(f"{shown(member.name)}: bytes before it that overlap or belong to nothing")
            places[member.name] = self._local(member, start)
            expected = places[member.name] + member.packed
            gaps = _DESCRIPTORS if member.flags & _DESCRIPTOR else (0,)
        if start - expected not in gaps:
            raise self._fault("bytes before the directory that overlap or belong to nothing")
        return places

    def _local(self, member: Member, start: int) -> int:
        if member.header + _LOCAL.size > start:
            raise self._fault(f"{shown(member.name)}: truncated")
        header = _LOCAL.unpack(self._at(member.header, _LOCAL.size))
        signature, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
        begin = member.header + _LOCAL.size
        data: int = begin + name_length + extra_length
        if data + member.packed > start:
            raise self._fault(f"{shown(member.name)}: truncated")
        name = self._at(begin, name_length).decode("latin-1")
        if _SATURATED in (packed, size):
            size, packed = self._wide(member.name, self._at(begin + name_length, extra_length), (size, packed))
        unsaid = flags & _DESCRIPTOR != 0
        agrees = (signature, flags, method, name) == (b"PK\3\4", member.flags, member.method, member.name)
        for said, value in ((crc, member.crc), (packed, member.packed), (size, member.size)):
            agrees = agrees and (said == value or (unsaid and said == 0))
        if not agrees:
            raise self._fault(f"{shown(member.name)}: a local header that differs from the directory")
        return data

    def read(self, name: str) -> bytes:
        """The bytes of a member: exactly as many as the directory says, with its CRC."""
        member = self.members[name]
        out = io.BytesIO()
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        offset, left, room, crc = self._data[name], member.packed, member.size, 0
        piece = b""
        while left or piece:
            if not piece:
                piece = self._at(offset, min(left, _PIECE))
                offset, left = offset + len(piece), left - len(piece)
            if member.method == _STORED:
                data, piece = piece, b""
            else:
                try:
                    data = inflate.decompress(piece, _PIECE)
                except zlib.error:
                    raise self._fault(f"{shown(name)}: does not inflate to its size") from None
                piece = inflate.unconsumed_tail
                if inflate.eof and (left or inflate.unused_data):
                    raise self._fault(f"{shown(name)}: does not inflate to its size")
            room -= len(data)
            if room < 0:
                break
            crc = zlib.crc32(data, crc)
            out.write(data)
        if member.method == _DEFLATED and room > 0 and not inflate.eof:
            data = inflate.flush(room + 1)
            room, crc = room - len(data), zlib.crc32(data, crc)
            out.write(data)
        if room or (member.method == _DEFLATED and not inflate.eof):
            raise self._fault(f"{shown(name)}: does not inflate to its size")
        if crc != member.crc:
            raise self._fault(f"{shown(name)}: a CRC that differs")
        return out.getvalue()
