"""Files as they lie on disk, packed or not and in any encoding, as UTF-8. Magic bytes decide, never the name."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO, Protocol, cast

PEEK = 64 * 1024
MAX_RATIO = 500
"""A packed file may be so many times as large when it is unpacked, beyond the first :data:`FREE` bytes."""
FREE = 64 * 1024 * 1024
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
PARQUET = b"PAR1"
ZSTD_IN_ZIP = 93
FAULTS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged file raises."""


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes: ...


class Stream(Readable, Protocol):
    """A stream of bytes that says whether it is a file."""

    def seekable(self) -> bool: ...


def reader_of(stream: Readable) -> Callable[[int], bytes]:
    """How to read what there is, even before a fault, instead of waiting for more."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return read


class Damaged(ValueError):
    """A file cannot be read, or not to its end."""


def _zstd(file: BinaryIO) -> BinaryIO:
    try:
        import zstandard  # noqa: PLC0415  of an extra
    except ImportError:
        raise Damaged("is packed by zstd: install 'mindlytics[import]'") from None
    stream = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file, read_across_frames=True)
    return cast(BinaryIO, stream)


def _gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _bz2(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(file))


def _xz(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(file))


PACKERS: tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bz2),
    (b"\xfd7zXZ\x00", _xz),
    (b"\x28\xb5\x2f\xfd", _zstd),
    *((bytes((0x50 + n, 0x2A, 0x4D, 0x18)), _zstd) for n in range(16)),
)


class Peeked(io.BufferedIOBase):
    """A stream whose first bytes can be looked at."""

    def __init__(self, stream: Readable, below: Peeked | None = None, *, is_live: bool = False) -> None:
        self._read = reader_of(stream)
        self.is_live: bool = is_live or (below is not None and below.is_live)
        """Whether what follows may take its time, as in a pipe."""
        self._below = below
        self._head = b""
        self._fault: BaseException | None = None

    @property
    def fault(self) -> BaseException | None:
        """What ended it before its end."""
        return self._fault or (self._below.fault if self._below is not None else None)

    def peek(self, size: int = PEEK) -> bytes:
        """At least so many bytes, if there are. Of a live stream, a line is enough."""
        while len(self._head) < size and not (self.is_live and b"\n" in self._head):
            piece = self._next(size)
            if not piece:
                break
            self._head += piece
        return self._head

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            pieces = [self._take(PEEK)]
            while pieces[-1]:
                pieces.append(self._take(PEEK))
            return b"".join(pieces)
        return self._take(size)

    read1 = read

    def _take(self, size: int) -> bytes:
        if self._head:
            found, self._head = self._head[:size], self._head[size:]
            return found
        return self._next(size)

    def _next(self, size: int) -> bytes:
        if self._fault is not None:
            return b""
        try:
            found = self._read(size)
        except FAULTS as error:
            self._fault = error
            return b""
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            self._fault = error
            return b""
        return found


class _Bounded:
    """Refuses to unpack what is out of all proportion."""

    def __init__(self, stream: BinaryIO, packed: Counting) -> None:
        self._unpack = reader_of(stream)
        self._packed = packed
        self._size = 0

    def read(self, size: int) -> bytes:
        found = self._unpack(size)
        self._size += len(found)
        if self._size > FREE and self._size > MAX_RATIO * max(1, self._packed.count):
            raise OSError(f"it unpacks to over {MAX_RATIO} times its size")
        return found


class Counting:
    """A file that counts what is read of it."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self.count += len(found)
        return found

    read1 = read

    def readable(self) -> bool:
        return True


def unpacked(file: Stream) -> Peeked:
    """The file without its packing, as UTF-8.

    :raises Damaged: it cannot be unpacked here.
    """
    stream = Peeked(file, is_live=not file.seekable())
    for _ in range(3):
        head = stream.peek(8)
        packer = next((open_ for magic, open_ in PACKERS if head.startswith(magic)), None)
        if packer is None:
            break
        counting = Counting(stream)
        stream = Peeked(_Bounded(packer(cast(BinaryIO, counting)), counting), stream)
    return _decoded(stream)


def _decoded(stream: Peeked) -> Peeked:
    head = stream.peek(8)
    if head.startswith(codecs.BOM_UTF8):
        stream.read(3)
        return stream
    for mark, encoding in BOMS:
        if head.startswith(mark):
            stream.read(len(mark))
            return Peeked(_Recoded(stream, encoding), stream)
    start = stream.peek(PEEK)[:PEEK]
    if start[:4].count(0) == 2 and len(start) > 3:  # UTF-16 without a mark
        return Peeked(_Recoded(stream, "utf-16-le" if start[1] == 0 else "utf-16-be"), stream)
    return stream


def unzipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A member of an archive. If zstd packs it, it is left packed, since Python knows that only from 3.14 on."""
    file = archive.fp
    if member.compress_type != ZSTD_IN_ZIP or file is None:
        return archive.open(member)
    file.seek(member.header_offset + 26)
    sizes = file.read(4)  # those of its name and of further fields, which lie before its bytes
    start = file.tell() + int.from_bytes(sizes[:2], "little") + int.from_bytes(sizes[2:], "little")
    return io.BufferedReader(_Part(file, start, start + member.compress_size))


class _Part(io.RawIOBase):
    """The bytes of a file from one place to another. They are read piece by piece, since there may be any number."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self._file = file
        self._at = start
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._at)
        found = self._file.read(min(len(buffer), self._end - self._at))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


class _Recoded:
    def __init__(self, stream: Peeked, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def read(self, size: int) -> bytes:
        while True:
            piece = self._stream.read(size)
            text = self._decoder.decode(piece, final=not piece)
            if text or not piece:
                return text.encode("utf-8", "surrogatepass")


def lines_of(stream: Readable, longest: int) -> Iterator[bytes]:
    """The lines of a stream. One that is too long has a byte more than allowed. One that a fault cuts off is none."""
    rest = b""
    skipping = False
    while True:
        piece = stream.read(PEEK * 4)
        if not piece:
            break
        lines = (rest + piece).split(b"\n") if not skipping else piece.split(b"\n")
        rest = lines.pop()
        for line in lines:
            if skipping:
                skipping = False
            else:
                yield line[: longest + 1]
        if skipping:
            rest = b""
        elif len(rest) > longest:
            yield rest[: longest + 1]
            rest, skipping = b"", True
    if rest and not skipping and getattr(stream, "fault", None) is None:
        yield rest
