"""The outbox: every event of a study in one append-only file, before MLflow hears of it.

A line is the CRC-32 of its JSON (8 hex digits), a space, and the JSON. The last line may lack its end after a crash or
on a full disk: it is cut off when the file is opened for writing. A line damaged in place is passed over.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from fer_sweep.errors import TrackingError

Kind = Literal["opened", "started", "reported", "finished", "ended"]


@dataclass(frozen=True)
class Entry:
    """One event as the outbox keeps it. at: when it happened, in ms since 1970; body: plain JSON values."""

    at: int
    kind: Kind
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A line of the outbox. entry: None if the line is damaged; end: offset in bytes at which the next one begins."""

    entry: Entry | None
    end: int


class Outbox:
    """The writing end; one process at a time. `dropped` is the length in bytes of a torn end that opening cut off.

    Raises TrackingError where the disk takes no more.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._end = max((line.end for line in read_outbox(path)), default=0)
        self.dropped = os.fstat(self._file).st_size - self._end
        os.ftruncate(self._file, self._end)

    def append(self, entry: Entry, *, durable: bool) -> None:
        """Add an entry; `durable` waits until it would survive a crash of the machine."""
        line = encode(entry)
        try:
            if os.pwrite(self._file, line, self._end) < len(line):
                raise OSError("the disk took only a part of a line")
            if durable:
                os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise TrackingError(
                f"the journal {self._path} cannot be written: {error}. Free some space and run the same command again; "
                "what was computed so far is kept."
            ) from error
        self._end += len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def encode(entry: Entry) -> bytes:
    """An entry as a line."""
    text = json.dumps({"at": entry.at, "kind": entry.kind, **entry.body}, ensure_ascii=False).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read_outbox(path: Path, start: int = 0) -> Iterator[Line]:
    """The whole lines of an outbox from an offset on; nothing if there is none. A torn end is not touched."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        end = start
        for line in file:
            if not line.endswith(b"\n"):
                return  # still being written, or torn
            end += len(line)
            yield Line(_parse(line), end)


def _parse(line: bytes) -> Entry | None:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    content = json.loads(text)
    return Entry(content.pop("at"), content.pop("kind"), content)
