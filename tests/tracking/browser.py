"""A real browser, without a window: what a page of the UI says and what it looks like."""

import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

BROWSER = "chromium"
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=20000", "--dump-dom",
]  # fmt: skip
RECOGNIZED = 0.7
"""Correlation from which on two pictures are the same, drawn at slightly different sizes."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Page:
    """What the browser made of a page: its elements as text, and (height, width, 3) pixels."""

    dom: str
    pixels: Pixels

    def scale_of(self, picture: bytes) -> float:
        """How large a picture is shown: 1 for its own size, 0 if it cannot be recognized anywhere on the page."""
        page, whole = _halved(self.pixels), _halved(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")))
        best, found = 0.0, 0.0
        for scale in np.arange(0.3, 1.05, 0.01):
            height, width = round(whole.shape[0] * scale), round(whole.shape[1] * scale)
            height = min(height, page.shape[0] // 2)  # a tall picture may go on below the window
            shown = cv2.resize(whole, (width, round(whole.shape[0] * scale)), interpolation=cv2.INTER_AREA)[:height]
            if width <= page.shape[1]:
                likeness = float(cv2.matchTemplate(page, shown, cv2.TM_CCOEFF_NORMED).max())
                best, found = max((best, found), (likeness, float(scale)))
        return found if best > RECOGNIZED else 0.0


def installed() -> bool:
    return shutil.which(BROWSER) is not None


def look(url: str, folder: Path, *, size: tuple[int, int] = (1600, 1000)) -> Page:
    """Open a page. folder: where the browser keeps its profile, and the last picture; one browser at a time."""
    picture = folder / "page.png"
    command = [BROWSER, *OPTIONS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder}"]
    done = subprocess.run(
        [*command, f"--screenshot={picture}", url], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return Page(done.stdout, np.asarray(Image.open(picture).convert("RGB")))


def _halved(pixels: Pixels) -> Pixels:
    """In grey, at half the size: enough to recognize a picture by, and four times as fast."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
