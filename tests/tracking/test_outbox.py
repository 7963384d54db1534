import errno
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_sweep.errors import TrackingError
from fer_sweep.tracking.outbox import Entry, Outbox, read_outbox

ENTRIES = [Entry(1000 + i, "started", {"number": i, "text": "gäh\n\t悲 \x00"}) for i in range(5)]


def written(path: Path, entries: list[Entry] = ENTRIES) -> list[Entry]:
    with Outbox(path) as outbox:
        for entry in entries:
            outbox.append(entry, durable=False)
    return entries


def read(path: Path, start: int = 0) -> list[Entry | None]:
    return [line.entry for line in read_outbox(path, start)]


def test_what_is_appended_is_read_again_from_any_line_on(tmp_path: Path) -> None:
    path = tmp_path / "a" / "outbox.jsonl"

    entries = written(path)

    assert read(path) == entries
    ends = [line.end for line in read_outbox(path)]
    assert [read(path, end) for end in ends] == [entries[i + 1 :] for i in range(5)]
    assert read(tmp_path / "none.jsonl") == []


@given(cut=st.integers(min_value=0), garbage=st.binary(max_size=20))
def test_a_torn_end_costs_the_entry_that_was_being_written_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "outbox.jsonl"
    entries = written(path)
    ends = [0, *(line.end for line in read_outbox(path))]
    keep = cut % (ends[-1] + 1)
    whole = max(i for i, end in enumerate(ends) if end <= keep)
    rest = garbage.replace(b"\n", b"")
    path.write_bytes(path.read_bytes()[:keep] + rest)

    with Outbox(path) as outbox:
        assert outbox.dropped == keep - ends[whole] + len(rest)
        outbox.append(ENTRIES[0], durable=True)

    assert read(path) == [*entries[:whole], ENTRIES[0]]


@given(place=st.integers(min_value=0), change=st.integers(min_value=1, max_value=255))
def test_a_damaged_byte_costs_one_entry_or_two(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "outbox.jsonl"
    entries = written(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= change
    path.write_bytes(content)

    found = [entry for entry in read(path) if entry is not None]

    assert len(found) >= len(entries) - 2  # a line end that became a letter joins two lines
    assert all(entry in entries for entry in found)


def test_a_line_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    entries = written(path)
    end = path.stat().st_size
    text = b'{"at": 1, "kind": "started"}'
    line = b"%08x %b" % (zlib.crc32(text), text)

    with path.open("ab") as file:
        file.write(line)
        file.flush()
        assert read(path) == entries
        file.write(b"\n")

    assert read(path, end) == [Entry(1, "started", {})]


def test_a_full_disk_is_explained_and_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outbox.jsonl"
    entries = written(path)

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Outbox(path) as outbox:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TrackingError, match=r"outbox\.jsonl cannot be written: .*No space left.*Free some space"):
            outbox.append(ENTRIES[0], durable=True)
        monkeypatch.undo()
        outbox.append(ENTRIES[1], durable=True)

    assert read(path) == [*entries, ENTRIES[1]]
