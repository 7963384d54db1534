"""Results on disk: a trial's result is durable here before any database hears of it: a crash loses no computed trial.

One .npz per trial, written to a temporary name, flushed and renamed: a file is whole or absent. No pickled objects.
"""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from fer_sweep.training.records import Explanation, NetworkResult, TrialResult, removal_from, report_from

_ARRAYS = tuple(f.name for f in fields(NetworkResult) if "ndarray" in str(f.type))
_SCALARS = tuple(f.name for f in fields(NetworkResult) if f.name not in (*_ARRAYS, "removals"))
_EXPLAINED = tuple(f.name for f in fields(Explanation) if f.name != "activations")
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError, ValueError, TypeError, AttributeError)
"""What numpy, zip and our own fields raise for a file that is cut off, foreign or of another version."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either whole or absent, also after a crash of the machine. One writer at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save_result(path: Path, result: TrialResult, *, key: str) -> None:
    """Keep a result. `key` identifies the configuration and splits it belongs to."""
    meta = {
        "key": key,
        "trial": result.trial,
        "seconds": result.seconds,
        "device": result.device,
        "stopped": result.stopped,
        "reports": [asdict(report) for report in result.reports],
        "networks": [
            {name: getattr(n, name) for name in _SCALARS} | {"removals": [asdict(r) for r in n.removals]}
            for n in result.networks
        ],
    }
    arrays = {f"{name}_{i}": getattr(n, name) for i, n in enumerate(result.networks) for name in _ARRAYS}
    explained = result.explanation
    if explained is not None:
        meta["blocks"] = len(explained.activations)
        arrays |= {name: getattr(explained, name) for name in _EXPLAINED}
        arrays |= {f"activations_{i}": maps for i, maps in enumerate(explained.activations)}
    packed = io.BytesIO()
    np.savez_compressed(packed, meta=np.array(json.dumps(meta)), **arrays)
    write_atomically(path, packed.getvalue())


def load_result(path: Path, *, key: str) -> TrialResult | None:
    """A kept result; None when there is none, when it cannot be read, or when it belongs to another configuration."""
    try:
        # opened here: numpy leaves a file that it cannot read open
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            meta: dict[str, Any] = json.loads(str(file["meta"]))
            if meta["key"] != key:
                return None
            networks = tuple(
                _network(entry, {name: file[f"{name}_{i}"] for name in _ARRAYS})
                for i, entry in enumerate(meta["networks"])
            )
            explanation = _explanation(file, meta["blocks"]) if "blocks" in meta else None
        return TrialResult(
            trial=meta["trial"],
            networks=networks,
            reports=tuple(report_from(entry) for entry in meta["reports"]),
            seconds=meta["seconds"],
            device=meta["device"],
            stopped=meta["stopped"],
            explanation=explanation,
        )
    except (FileNotFoundError, *UNREADABLE):
        return None  # computed again, which costs time but never an answer


def _explanation(file: Mapping[str, Any], blocks: int) -> Explanation:
    activations = tuple(file[f"activations_{i}"] for i in range(blocks))
    return Explanation(**{name: file[name] for name in _EXPLAINED}, activations=activations)


def _network(entry: dict[str, Any], arrays: dict[str, Any]) -> NetworkResult:
    removals = tuple(removal_from(removal) for removal in entry.pop("removals"))
    return NetworkResult(**entry, **arrays, removals=removals)
