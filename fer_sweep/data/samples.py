"""Samples: what every source yields and every split divides."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Samples:
    """N labelled samples. Arrays are read-only; row i of every array is the same sample.

    x:           (N, d) float32 features
    y:           (N,) int64 class indices 0..C-1
    person:      (N,) int64 person indices; samples of one person never stand on both sides of an SPI split
    ids:         N names, unique, for removal logs and error analysis
    class_names: C names, index = class
    person_names: name of each person index
    planted:     (N,) bool, True where the label is known to be wrong; None when that is not known
    warnings:    what the reader of results should know about this data, one sentence each
    """

    x: FloatArray
    y: IntArray
    person: IntArray
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    person_names: tuple[str, ...]
    planted: BoolArray | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.y)
        assert self.x.ndim == 2
        assert self.x.shape[0] == n
        assert self.x.dtype == np.float32
        assert self.person.shape == (n,)
        assert len(self.ids) == n
        assert self.planted is None or self.planted.shape == (n,)
        for array in (self.x, self.y, self.person, self.planted):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content (features, labels, persons, ids, class names), 16 hex digits."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, self.person):
            digest.update(str((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update("\0".join((*self.ids, "", *self.class_names)).encode())
        return digest.hexdigest()[:16]
