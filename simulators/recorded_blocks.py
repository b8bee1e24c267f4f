"""The lines of a recording's file: plain text, or blocks of gzip of which the last may be cut off."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from core.errors import InputFileError

_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
_GZIP = 31  # zlib's name for one member of gzip, with its header and its checksum
_CHUNK_BYTES = 65_536


def pack_block(lines: bytes, level: int) -> bytes:
    """Return lines as one member of gzip, which can be read without what lies before and behind it.

    Parameters
    ----------
    level
        1 for speed to 9 for size.
    """
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return packer.compress(lines) + packer.flush()


def read_lines(path: Path, warn: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the lines of a file without their ends; its first bytes tell whether it is compressed.

    Parameters
    ----------
    warn
        Told in a sentence if the last block is cut off; its whole lines are yielded all the same.

    Raises
    ------
    InputFileError
        If a block is damaged rather than cut off.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        begin = file.peek(len(_MAGIC))[: len(_MAGIC)]
        if begin and _MAGIC.startswith(begin):
            yield from _Blocks(path, warn).lines(file)
        else:
            for line in file:
                yield line.rstrip(b"\r\n")


class _Blocks:
    """Unpacks one file."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._at = 0
        self._whole = True

    def lines(self, file: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines; one that lacks its end counts only if the file is whole."""
        rest = b""
        for text in self._unpacked(file):
            lines = (rest + text).split(b"\n")
            rest = lines.pop()
            for line in lines:
                yield line.rstrip(b"\r")
        if rest and self._whole:
            yield rest

    def _unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        unpacker = None
        while chunk := file.read(_CHUNK_BYTES):
            while chunk:
                unpacker = unpacker or zlib.decompressobj(_GZIP)
                try:
                    text = unpacker.decompress(chunk)
                except zlib.error as exc:
                    self._give_up(chunk, file, exc)
                    return
                yield text
                if not unpacker.eof:
                    break
                chunk = unpacker.unused_data
                self._at = file.tell() - len(chunk)
                unpacker = None
        if unpacker is not None:
            self._cut_off()

    def _give_up(self, chunk: bytes, file: IO[bytes], exc: zlib.error) -> None:
        """Say what is wrong behind the last whole block."""
        tail = chunk
        # After a power cut a file system may have kept a file's new length and lost what was in it.
        while tail and not tail.strip(b"\0"):
            tail = file.read(_CHUNK_BYTES)
        if tail:
            raise InputFileError(str(self._path), None, f"the block at byte {self._at:,} is damaged: {exc}") from exc
        self._cut_off()

    def _cut_off(self) -> None:
        self._whole = False
        self._warn(f"{self._path}: the block at byte {self._at:,} is cut off; read as far as it goes")
