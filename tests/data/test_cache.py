"""The cache: whole or absent, bounded, found by all that went into an array."""

import os
from pathlib import Path

import numpy as np
import pytest

from fer_sweep.data.cache import Array, Cache, size


def numbers(n: int) -> Array:
    return np.arange(n)


def fail() -> Array:
    raise AssertionError("computed again")


def test_an_array_is_computed_once_for_the_same_inputs(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first = cache.array("numbers", (5, "x"), lambda: numbers(5))

    np.testing.assert_array_equal(cache.array("numbers", (5, "x"), fail), first)
    assert len(cache.array("numbers", (6, "x"), lambda: numbers(6))) == 6
    assert not first.flags.writeable


def test_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.array("numbers", (5,), lambda: numbers(5))
    (entry,) = cache.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:60])

    assert len(cache.array("numbers", (5,), lambda: numbers(5))) == 5
    np.testing.assert_array_equal(cache.array("numbers", (5,), fail), numbers(5))


def test_a_crash_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashing(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "save", crashing)
    with pytest.raises(OSError, match=r"disk full"):
        Cache(tmp_path).array("numbers", (5,), lambda: numbers(5))

    assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=3 * (8 * 1000 + 128))
    for age, name in ((300, "a"), (200, "b"), (100, "c")):
        cache.array(name, (), lambda: numbers(1000))
        (entry,) = (e for e in cache.entries() if e.kind == name)
        os.utime(entry.path, (entry.used - age, entry.used - age))
    cache.array("a", (), fail)  # used: young again
    cache.array("d", (), lambda: numbers(1000))

    assert {entry.kind for entry in cache.entries()} == {"a", "c", "d"}


def test_clearing_frees_everything(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.array("numbers", (), lambda: numbers(1000))

    assert cache.clear() == 8128
    assert cache.entries() == []


def test_what_a_killed_process_left_is_shown_and_cleared_but_not_what_is_being_written(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for name in ("tmpold.part", "tmpnew.part"):
        (tmp_path / name).write_bytes(b"0" * 500)
    os.utime(tmp_path / "tmpold.part", (1, 1))

    assert [(entry.kind, entry.bytes) for entry in cache.entries()] == [("abandoned", 500)]
    assert cache.clear() == 500
    assert [file.name for file in tmp_path.iterdir()] == ["tmpnew.part"]


def test_a_file_that_another_process_has_just_deleted_takes_no_space(tmp_path: Path) -> None:
    Cache(tmp_path).array("numbers", (5,), lambda: numbers(5))
    with os.scandir(tmp_path) as files:
        (file,) = files
        (tmp_path / file.name).unlink()
        assert size(file) == 0
