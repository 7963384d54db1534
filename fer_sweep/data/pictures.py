"""Pictures: N face pictures that are read when they are needed, from files or from memory."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from fer_sweep.cores import own_cores
from fer_sweep.data.cache import Cache
from fer_sweep.data.decoding import decode, examine
from fer_sweep.errors import DataError

Pixels = npt.NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures. Row i of every field is the same picture.

    sources: file, or (h, w, 3) uint8 RGB array
    digests: hash of the content of file or array
    boxes:   (N, 4) left, top, right, bottom of what is looked at, in pixels of the upright picture
    cache:   where arrays computed from these pictures are kept; None: nowhere
    """

    sources: tuple[Path | Pixels, ...]
    digests: tuple[str, ...]
    boxes: npt.NDArray[np.int32]
    cache: Cache | None = None

    def __post_init__(self) -> None:
        assert len(self.sources) == len(self.digests) == len(self.boxes)
        self.boxes.setflags(write=False)

    def __getstate__(self) -> dict[str, object]:
        """Without the key: who receives pictures computes it anew, and so proves that they arrived."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def key(self) -> str:
        """Hash of all that is looked at, 16 hex digits."""
        digest = hashlib.sha256("\0".join(self.digests).encode())
        digest.update(np.ascontiguousarray(self.boxes, dtype="<i4").tobytes())
        return digest.hexdigest()[:16]

    def whole(self, i: int) -> Pixels:
        """(h, w, 3) uint8 RGB: picture i as it stands upright."""
        source = self.sources[i]
        return decode(source) if isinstance(source, Path) else source

    def face(self, i: int) -> Pixels:
        """(h, w, 3) uint8 RGB: the part of picture i that is looked at."""
        left, top, right, bottom = self.boxes[i]
        return self.whole(i)[top:bottom, left:right]

    def thumbnail(self, i: int, side: int) -> Pixels:
        """The face of picture i, (h, w, 3) with h and w at most `side`, in its aspect."""
        image = Image.fromarray(self.face(i))
        image.thumbnail((side, side))
        return np.asarray(image)

    def png(self, i: int, side: int) -> bytes:
        """Picture i as a PNG file, whole, its longer side at most `side` pixels."""
        image = Image.fromarray(self.whole(i))
        image.thumbnail((side, side))
        written = io.BytesIO()
        image.save(written, "PNG")
        return written.getvalue()

    def pixels(self, size: int, *, grey: bool = False) -> Pixels:
        """(N, size, size, 3) uint8 RGB, or (N, size, size) grey (ITU-R 601): all faces, resized without keeping their
        aspect (paper section 2.5), bilinear with antialiasing."""

        def resized(i: int) -> Pixels:
            image = Image.fromarray(self.face(i))
            return np.asarray((image.convert("L") if grey else image).resize((size, size), Image.Resampling.BILINEAR))

        return self.computed("grey" if grey else "pixels", (size,), lambda: np.stack(each(resized, range(len(self)))))

    def computed(
        self, kind: str, inputs: tuple[object, ...], compute: Callable[[], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """What `compute` makes of these pictures and `inputs`, from the cache if it was made before."""
        return compute() if self.cache is None else self.cache.array(kind, (self.key, *inputs), compute)

    def select(self, rows: Sequence[int]) -> "Pictures":
        """These pictures only."""
        return replace(
            self,
            sources=tuple(self.sources[i] for i in rows),
            digests=tuple(self.digests[i] for i in rows),
            boxes=self.boxes[list(rows)],
        )


def whole_pictures(items: Sequence[Path | bytes | Pixels], names: Sequence[str]) -> Pictures:
    """Pictures to be looked at whole: files, the content of files, or (h, w, 3) RGB or (h, w) grey uint8 arrays.

    Raises DataError with the name of the first that is no readable picture.
    """
    read = each(lambda i: _read(items[i], names[i]), range(len(items)))
    return Pictures(
        sources=tuple(source for source, _, _ in read),
        digests=tuple(digest for _, digest, _ in read),
        boxes=whole_boxes([size for _, _, size in read]),
    )


def together(parts: Sequence[Pictures]) -> Pictures:
    """All these pictures in one, without a cache."""
    return Pictures(
        sources=tuple(source for part in parts for source in part.sources),
        digests=tuple(digest for part in parts for digest in part.digests),
        boxes=np.concatenate([np.empty((0, 4), np.int32), *(part.boxes for part in parts)]),
    )


def _read(item: Path | bytes | Pixels, name: str) -> tuple[Path | Pixels, str, tuple[int, int]]:
    """Source, digest and (width, height); the content of a file is decoded, a file read again when it is needed."""
    if isinstance(item, np.ndarray):
        if item.dtype != np.uint8 or item.ndim not in {2, 3} or item.shape[2:] not in {(), (3,)} or not item.size:
            raise DataError(
                f"{name} is an array of shape {item.shape} and type {item.dtype}, which is no picture. Pictures are "
                "(h, w, 3) RGB or (h, w) grey arrays of uint8."
            )
        pixels = item if item.ndim == 3 else np.repeat(item[:, :, None], 3, axis=2)
        return pixels, digest_of(pixels), (pixels.shape[1], pixels.shape[0])
    try:
        content = item.read_bytes() if isinstance(item, Path) else item
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}. Name the file of a picture.") from error
    found = examine(content)
    if isinstance(found, str):
        raise DataError(f"{name} is no readable picture: {found}. Remove or repair it.")
    return item if isinstance(item, Path) else decode(content), digest_of(content), found


def each(work: Callable[[int], T], items: Sequence[int]) -> list[T]:
    """`work` done on every item, on all cores: pictures are decoded and filtered outside of Python's lock."""
    return list(one_by_one(work, items))


def one_by_one(work: Callable[[int], T], items: Sequence[int]) -> Iterator[T]:
    """As `each`, but every result as soon as it and those before it are there."""
    with ThreadPoolExecutor(len(own_cores())) as pool:
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)  # nobody waits for the rest any more


def digest_of(content: bytes | Pixels) -> str:
    """Content hash of a file or an array, 32 hex digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()[:32]
    shaped = hashlib.sha256(repr(content.shape).encode())
    shaped.update(np.ascontiguousarray(content).tobytes())
    return shaped.hexdigest()[:32]


def whole_boxes(sizes: Sequence[tuple[int, int]]) -> npt.NDArray[np.int32]:
    """(N, 4) boxes of whole pictures. sizes: (width, height) of each."""
    return np.array([(0, 0, width, height) for width, height in sizes], dtype=np.int32).reshape(-1, 4)
