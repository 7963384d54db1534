"""Small folders of pictures, and what is read from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fer_sweep.data import Samples, load_samples
from fer_sweep.spec.data import FolderData


def picture(path: Path, seed: int | None = None) -> None:
    """A small picture file, each with its own content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(str(path))) if seed is None else seed)
    Image.fromarray(rng.integers(0, 256, (10, 12, 3)).astype(np.uint8)).save(path)


def pictures(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        picture(root / name)
    return root


def load(root: Path, **settings: Any) -> Samples:
    return load_samples(FolderData(source="folder", path=str(root), **settings))


def labels(samples: Samples) -> dict[str, str]:
    return {name: samples.class_names[c] for name, c in zip(samples.ids, samples.y, strict=True)}


def persons(samples: Samples) -> list[str]:
    return [samples.person_names[p] for p in samples.person]
