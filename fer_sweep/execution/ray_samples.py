"""Samples on the nodes of a Ray cluster: sent once, and pictures whose files are not there sent with their content."""

import os
import tempfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import ray

from fer_sweep.data import Samples
from fer_sweep.data.cache import Cache
from fer_sweep.data.pictures import Pictures, digest_of, each


class SentSamples:
    """Samples in Ray's object store, which brings them to each node once."""

    def __init__(self, samples: Samples) -> None:
        self.fingerprint = samples.fingerprint
        self._samples = with_whole_paths(samples)
        self.reference = ray.put(self._samples)

    @cached_property
    def contents(self) -> "ray.ObjectRef[list[bytes]]":
        """The content of the pictures' files, in their order; nothing for pictures that need none. Read when it is
        first asked for."""
        sources = self._samples.pictures.sources
        return ray.put(each(lambda i: _content(sources[i]), range(len(sources))))


def held_bytes(samples: Samples) -> int:
    """About how much room samples need in the object store."""
    if isinstance(samples.x, Pictures):
        return sum(source.nbytes if not isinstance(source, Path) else 200 for source in samples.x.sources)
    return samples.x.nbytes


def with_whole_paths(samples: Samples) -> Samples:
    """Samples whose paths do not depend on the folder a process works in."""
    if not isinstance(samples.x, Pictures):
        return samples
    sources = tuple(s.absolute() if isinstance(s, Path) else s for s in samples.x.sources)
    cache = samples.x.cache
    whole = None if cache is None else replace(cache, folder=cache.folder.absolute())
    return replace(samples, x=replace(samples.x, sources=sources, cache=whole))


def on_this_node(samples: Samples, contents: list[bytes] | None) -> Samples | None:
    """Samples whose files are there and are what they should be: where they lie with the coordinator, or else in a
    folder of this node, where `contents` are put. None if they are not there and there are no contents."""
    if not isinstance(samples.x, Pictures):
        return samples
    pictures = samples.x
    if contents is not None:
        folder = node_folder() / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        kept = [
            _keep(folder, pictures.digests[i], contents[i]) if isinstance(source, Path) else source
            for i, source in enumerate(pictures.sources)
        ]
        pictures = replace(pictures, sources=tuple(kept))
    rows = range(len(pictures))
    if not all(each(lambda i: _is_there(pictures.sources[i], pictures.digests[i]), rows)):
        return None
    cache = pictures.cache
    if cache is not None and not os.access(cache.folder, os.W_OK):
        cache = Cache(node_folder() / "cache", cache.limit)
    return replace(samples, x=replace(pictures, cache=cache))


def node_folder() -> Path:
    """Where this user's workers keep what they need on a node that does not see the coordinator's folders."""
    return Path(tempfile.gettempdir()) / f"fer-sweep-data-{os.getuid()}"


def _content(source: object) -> bytes:
    return source.read_bytes() if isinstance(source, Path) else b""


def _keep(folder: Path, digest: str, content: bytes) -> Path:
    file = folder / digest
    if not _is_there(file, digest):
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
            part.write(content)
        os.replace(part.name, file)
    return file


def _is_there(source: object, digest: str) -> bool:
    if not isinstance(source, Path):
        return True  # it came with the samples
    try:
        return digest_of(source.read_bytes()) == digest
    except OSError:
        return False
