"""Files are decoded once for every content, and what was found out is remembered."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_sweep.data import decoding, examination
from fer_sweep.data.cache import Array, Cache
from fer_sweep.data.examination import Verdict, verdicts_on
from fer_sweep.data.inspection import inspect
from fer_sweep.data.pictures import digest_of
from fer_sweep.errors import DataError
from fer_sweep.spec.data import FolderData
from tests.data.picture_folders import pictures


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A picture, its copy, a file that is none, and one that is not there."""
    Image.fromarray(np.zeros((5, 7, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "c.png").write_text("<html>")
    return [tmp_path / f"{name}.png" for name in "abcd"]


def test_a_verdict_says_size_or_reason(files: list[Path]) -> None:
    verdicts = verdicts_on(files, None)

    good = Verdict(digest_of(files[0].read_bytes()), (7, 5), "")
    assert verdicts == [
        good,
        good,
        Verdict(digest_of(b"<html>"), (0, 0), "not a picture"),
        Verdict("", (0, 0), "cannot be read: No such file or directory"),
    ]


def test_contents_are_decoded_once_whatever_their_files_are_called(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[bytes] = []
    original = decoding.examine

    def counting(content: bytes) -> tuple[int, int] | str:
        examined.append(content)
        return original(content)

    monkeypatch.setattr(examination, "examine", counting)
    cache = Cache(tmp_path / "cache")
    first = verdicts_on(files, cache)
    assert len(examined) == 2

    moved = [file.rename(tmp_path / f"z-{file.name}") for file in files[:3]]
    assert verdicts_on(moved, cache) == first[:3]
    assert len(examined) == 2
    moved[0].write_bytes(b"damaged")
    assert verdicts_on(moved, cache)[0].reason == "not a picture"


def test_new_rules_of_decoding_outdate_what_is_remembered(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts_on(files, Cache(tmp_path / "cache"))
    monkeypatch.setattr(examination, "DECODING", -1)
    monkeypatch.setattr(examination, "examine", lambda _: "a new reason")

    assert verdicts_on(files, Cache(tmp_path / "cache"))[0].reason == "a new reason"


def test_an_inspection_surveys_its_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures(tmp_path / "p", [f"{c}/{n}.png" for c in ("fear", "happy") for n in "ab"])
    read: list[Path] = []
    original = Path.read_bytes

    def counting(self: Path) -> bytes:
        read.append(self)
        return original(self)

    cache = Cache(tmp_path / "cache")
    config = FolderData(source="folder", path=str(root))
    inspect(config, cache, faces=False)
    monkeypatch.setattr(Path, "read_bytes", counting)
    inspect(config, cache, faces=False)

    assert len(read) == 4  # for their hashes


class Meddling(Cache):
    """A cache during whose use somebody writes into the folder of pictures."""

    def array(self, kind: str, inputs: tuple[object, ...], compute: Callable[[], Array]) -> Array:
        for file in self.folder.glob("a.png"):
            file.write_bytes(b"new") if self.limit else file.unlink()
        return super().array(kind, inputs, compute)


@pytest.mark.parametrize("limit", [0, 1])
def test_a_file_that_changes_meanwhile_is_named(tmp_path: Path, limit: int, files: list[Path]) -> None:
    files[1].unlink()

    with pytest.raises(DataError, match=r"a.png has changed while it was looked at. Start again when nobody writes"):
        verdicts_on(files, Meddling(tmp_path, limit))
