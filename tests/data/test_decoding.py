"""Every kind of picture file becomes upright RGB, and a bad one becomes a reason."""

import subprocess
import sys
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


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_a_dark_picture_of_sixteen_bits_stays_dark(tmp_path: Path, suffix: str) -> None:
    dark = np.array([[0, 128, 255, 257, 2570, 65535]], dtype=np.uint16)
    darker = np.minimum(dark, 255)

    for number, values in enumerate((dark, darker)):
        shown = decode(saved(tmp_path / f"{number}.{suffix}", Image.fromarray(values)))
        assert shown[0, :, 0].tolist() == np.rint(values[0] / 257).tolist()


def test_floats_are_shares_of_one(tmp_path: Path) -> None:
    file = saved(tmp_path / "float.tiff", Image.fromarray(np.array([[0.0, 0.2, 1.0]], dtype=np.float32)))

    assert decode(file)[0, :, 0].tolist() == [0, 51, 255]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0.0, 200.0]], dtype=np.float32), "floats beyond 0 to 1"),
        (np.array([[0.0, np.nan]], dtype=np.float32), "floats beyond 0 to 1"),
        (np.array([[0, 200]], dtype=np.int32), "integers of 32 bits"),
    ],
)
def test_grey_values_of_unknown_white_are_a_reason(tmp_path: Path, values: Any, reason: str) -> None:
    content = saved(tmp_path / "unknown.tiff", Image.fromarray(values)).read_bytes()

    assert examine(content) == f"its grey values are {reason}, whose white is not known; save 8 or 16 bits"


def test_libraries_say_nothing_about_damaged_files(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    for name in ("tiff_lzw", "tiff_deflate", "jpeg"):
        content = bytearray(saved(tmp_path / f"{name}.tiff", noise, compression=name).read_bytes())
        (tmp_path / f"{name}-half.tiff").write_bytes(content[: len(content) // 2])
        samples_per_pixel = content.index((277).to_bytes(2, "little") + b"\3\0\1\0\0\0")
        content[samples_per_pixel + 8] = 200
        (tmp_path / f"{name}-samples.tiff").write_bytes(content)
        content[samples_per_pixel + 8] = 3
        content[8:60] = b"\7" * 52
        (tmp_path / f"{name}.tiff").write_bytes(content)
    code = """
import sys, pathlib
from fer_sweep.data.decoding import examine
for file in sys.argv[1:]:
    print(examine(pathlib.Path(file).read_bytes()))
"""

    files = sorted(str(file) for file in tmp_path.iterdir())
    said = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)

    reasons = said.stdout.splitlines()
    assert len(reasons) == 9
    assert all(reason.startswith(("broken: ", "not a picture")) for reason in reasons)
    assert "broken: decoder error -2" in reasons
    assert said.stderr == ""


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
