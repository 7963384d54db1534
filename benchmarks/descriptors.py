"""Pictures per second of detection, LPQ, PHOG and reading FER-2013, beside what a user would write for LPQ (complex
convolutions).

python benchmarks/descriptors.py [--quick]
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.signal import convolve2d
from sklearn.decomposition import PCA

from fer_sweep.data import load_samples
from fer_sweep.data.faces import find_faces
from fer_sweep.features.descriptors import describe
from fer_sweep.features.lpq import lpq_codes, whitening
from fer_sweep.features.phog import canny_edges, phog
from fer_sweep.features.projection import fit_projection
from fer_sweep.spec.data import Fer2013Data, SyntheticFaces
from fer_sweep.spec.trial import FeaturesConfig

SIZE, WINDOW = 128, 7


def plain_lpq(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Four complex 2-D convolutions, one after the other."""
    x = np.arange(-(WINDOW // 2), WINDOW // 2 + 1)
    w0, w1 = np.ones(WINDOW, dtype=complex), np.exp(-2j * np.pi * x / WINDOW)
    kernels = [np.outer(w0, w1), np.outer(w1, w0), np.outer(w1, w1), np.outer(w1, w1.conj())]
    responses = [convolve2d(image.astype(float), kernel, mode="valid") for kernel in kernels]
    parts = np.stack([part for f in responses for part in (f.real, f.imag)])
    codes: npt.NDArray[np.int64] = (
        (np.tensordot(whitening(WINDOW).T, parts, axes=1) > 0) * (1 << np.arange(8))[:, None, None]
    ).sum(axis=0)
    return codes


def write_fer2013(file: Path, *, rows: int) -> Path:
    """A file in the format of FER-2013 with noise for faces."""
    rng = np.random.default_rng(0)
    with file.open("w") as text:
        text.write("emotion,pixels,Usage\n")
        for row in range(rows):
            text.write(f"{row % 7},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},Training\n")
    return file


def speed(work: Callable[[], object], pictures: int, rounds: int) -> str:
    """Median pictures per second."""
    work()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return f"{pictures / float(np.median(times)):10,.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time descriptors of pictures.")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; the numbers mean nothing")
    quick: bool = parser.parse_args(arguments).quick
    n, rounds = (28, 1) if quick else (280, 5)
    pictures = load_samples(SyntheticFaces(source="synthetic_faces", samples=n, persons=n // 7, size=256)).pictures
    grey = pictures.pixels(SIZE, grey=True)
    few = grey[: 4 if quick else 20]
    assert all((plain_lpq(image) == lpq_codes(image, window=WINDOW)).all() for image in few)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{platform.processor() or platform.machine()}, {cores} cores, OpenCV {cv2.__version__}, numpy {np.__version__}"
    )
    print(f"pictures per second, medians; {SIZE} x {SIZE} grey, one core unless said otherwise\n")
    print(f"LPQ, plain (scipy)              {speed(lambda: [plain_lpq(g) for g in few], len(few), rounds)}")
    print(f"LPQ, window 7, decorrelated     {speed(lambda: [lpq_codes(g) for g in grey], n, rounds)}")
    print(f"PHOG, 16 bins, 5 levels, Canny  {speed(lambda: [phog(g, canny_edges(g)) for g in grey], n, rounds)}")
    config = FeaturesConfig()
    print(f"resize, LPQ and PHOG, all cores {speed(lambda: describe(pictures, config), n, rounds)}")
    blocks, rows = describe(pictures, config), np.arange(n // 2)
    halves = [x[rows].astype(np.float64) for x in blocks.values()]
    by_svd = speed(lambda: [PCA(5, svd_solver="full").fit(half) for half in halves], 1, rounds)
    print(f"\nprincipal components of LPQ and PHOG, fits of {len(rows)} pictures per second, all cores")
    print(f"scikit-learn, full SVD          {by_svd}")
    print(f"the smaller Gram matrix         {speed(lambda: fit_projection(blocks, rows, 5), 1, rounds)}\n")
    with tempfile.TemporaryDirectory() as folder:
        file = write_fer2013(Path(folder) / "fer2013.csv", rows=10 * n)
        config_fer = Fer2013Data(source="fer2013", path=str(file))
        print(f"FER-2013, its CSV file read     {speed(lambda: load_samples(config_fer), 10 * n, rounds)}")
    print(f"detection (256 x 256), all cores{speed(lambda: find_faces(pictures), n, 1 if quick else 2)}")


if __name__ == "__main__":
    main()
