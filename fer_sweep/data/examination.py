"""Which files are readable pictures: found out once for every content, and remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_sweep.data.cache import Cache
from fer_sweep.data.decoding import DECODING, examine
from fer_sweep.data.pictures import digest_of, each
from fer_sweep.errors import DataError

_VERDICT = np.dtype([("width", "<i4"), ("height", "<i4"), ("reason", "<U200")])


@dataclass(frozen=True)
class Verdict:
    """On one file. digest: of its content, empty if it cannot be read; size: (width, height) of the upright picture;
    reason: why there is no picture, else empty."""

    digest: str
    size: tuple[int, int]
    reason: str


def verdicts_on(files: Sequence[Path], cache: Cache | None) -> list[Verdict]:
    """Every file is read for its content's hash; it is decoded only if `cache` does not know these contents.

    Raises DataError if a file changes meanwhile.
    """

    def hashed(i: int) -> Verdict:
        try:
            return Verdict(digest_of(files[i].read_bytes()), (0, 0), "")
        except OSError as error:
            return Verdict("", (0, 0), f"cannot be read: {error.strerror}")

    verdicts = each(hashed, range(len(files)))
    content = {verdict.digest: i for i, verdict in enumerate(verdicts) if verdict.digest}
    order = sorted(content)

    def decoded() -> npt.NDArray[np.void]:
        found = each(lambda k: _examined(files[content[order[k]]], order[k]), range(len(order)))
        return np.array(found, dtype=_VERDICT)

    table = decoded() if cache is None else cache.array("verdicts", (DECODING, *order), decoded)
    rows = zip(order, table, strict=True)
    known = {digest: (int(width), int(height), str(reason)) for digest, (width, height, reason) in rows}
    return [_with(verdict, known) for verdict in verdicts]


def _examined(file: Path, digest: str) -> tuple[int, int, str]:
    try:
        content = file.read_bytes()
    except OSError:
        content = b""
    if digest_of(content) != digest:
        raise DataError(f"{file} has changed while it was looked at. Start again when nobody writes there any more.")
    found = examine(content)
    return (0, 0, found) if isinstance(found, str) else (*found, "")


def _with(verdict: Verdict, known: dict[str, tuple[int, int, str]]) -> Verdict:
    if not verdict.digest:
        return verdict
    width, height, reason = known[verdict.digest]
    return Verdict(verdict.digest, (width, height), reason)
