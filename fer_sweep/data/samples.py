"""Samples: what every source yields and every split divides."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fer_sweep.data.pictures import Pictures

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NO_PART = -1
"""Of a sample that its data set's authors put neither into training nor into validation or test."""


@dataclass(frozen=True, eq=False)
class Samples:
    """N labelled samples. Arrays are read-only; row i of every array is the same sample.

    x:           (N, d) float32 features, or N pictures
    y:           (N,) int64 class indices 0..C-1
    person:      (N,) int64 person indices; samples of one person never stand on both sides of an SPI split
    ids:         N names, unique, for removal logs and error analysis
    class_names: C names, index = class
    person_names: name of each person index
    planted:     (N,) bool, True where the label is known to be wrong; None when that is not known
    columns:     d names of the features; None when they have none
    part:        (N,) 0 training, 1 validation, 2 test, as the data set's authors divide it, NO_PART where they do not;
                 None when they divide nothing
    warnings:    what the reader of results should know about this data, one sentence each
    """

    x: FloatArray | Pictures
    y: IntArray
    person: IntArray
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    person_names: tuple[str, ...]
    planted: BoolArray | None = None
    part: IntArray | None = None
    columns: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.y)
        assert len(self.x) == n
        if isinstance(self.x, np.ndarray):
            assert self.x.ndim == 2
            assert self.x.dtype == np.float32
            assert self.columns is None or len(self.columns) == self.x.shape[1]
        assert self.person.shape == (n,)
        assert len(self.ids) == n
        assert self.planted is None or self.planted.shape == (n,)
        assert self.part is None or self.part.shape == (n,)
        for array in (self.x, self.y, self.person, self.planted, self.part):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    def __getstate__(self) -> dict[str, object]:
        """Without the fingerprint: who receives samples computes it anew, and so proves that they arrived."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __len__(self) -> int:
        return len(self.y)

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def pictures(self) -> Pictures:
        """The pictures; an error in the program if these samples have features instead."""
        assert isinstance(self.x, Pictures)
        return self.x

    @property
    def features(self) -> FloatArray:
        """The (N, d) features; an error in the program if these samples have pictures instead."""
        assert isinstance(self.x, np.ndarray)
        return self.x

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of the features; feature_1, feature_2, ... where they have no names."""
        return self.columns or tuple(f"feature_{i}" for i in range(1, self.features.shape[1] + 1))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content (features or pictures, labels, persons, ids, class names), 16 hex digits."""
        digest = hashlib.sha256()
        if isinstance(self.x, Pictures):
            digest.update(self.x.key.encode())
        arrays = (self.x, self.y, self.person, self.part)
        for array in (array for array in arrays if isinstance(array, np.ndarray)):
            digest.update(str((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update("\0".join((*self.ids, "", *self.class_names)).encode())
        return digest.hexdigest()[:16]
