"""Every kind of picture file becomes upright RGB, and a bad one becomes a reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_sweep.data import decoding
from fer_sweep.data.decoding import decode, examine
from fer_sweep.errors import DataError

GREY = np.tile(np.linspace(0, 255, 16).round().astype(np.uint8), (12, 1))
COLOURS = np.stack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)], axis=2)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "P", "1", "LA", "RGBA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    file = saved(tmp_path / f"picture.{suffix}", Image.fromarray(COLOURS).convert(mode))

    picture = decode(file)

    assert picture.shape == (12, 16, 3)
    assert picture.dtype == np.uint8
    assert examine(file.read_bytes()) == (16, 12)


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    file = saved(tmp_path / "deep.png", Image.fromarray(GREY.astype(np.uint16) * 257))

    np.testing.assert_array_equal(decode(file)[:, :, 0], GREY)


def test_transparency_becomes_white(tmp_path: Path) -> None:
    file = saved(tmp_path / "clear.png", Image.new("RGBA", (4, 4), (10, 20, 30, 0)))

    assert (decode(file) == 255).all()


def test_a_picture_stands_upright_as_its_exif_data_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to see it upright
    file = saved(tmp_path / "turned.png", Image.fromarray(COLOURS), exif=exif)

    assert examine(file.read_bytes()) == (12, 16)
    np.testing.assert_array_equal(decode(file), np.rot90(COLOURS, k=-1))


def test_bad_files_have_a_reason(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.jpg", Image.fromarray(np.tile(COLOURS, (20, 20, 1)))).read_bytes()

    assert examine(b"") == "the file is empty"
    assert examine(b"<html>not found</html>") == "not a picture"
    assert str(examine(whole[: len(whole) // 2])).startswith("broken: ")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "PIXEL_LIMIT", 100)
    content = saved(tmp_path / "large.png", Image.fromarray(COLOURS)).read_bytes()

    assert examine(content) == "16 x 12 pixels are more than the 100 allowed"


def test_a_file_that_went_bad_after_it_was_examined_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "gone.png"
    file.write_bytes(b"something else")

    with pytest.raises(DataError, match=r"gone\.png is no readable picture any more"):
        decode(file)
