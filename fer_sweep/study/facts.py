"""Facts of a study: what it is, apart from its trials, kept on disk so that any process can speak of it.

The samples are kept without their features or pictures, which may be large, may have moved, and are not needed to say
how a trial did.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_sweep.data import Samples, Split, make_split
from fer_sweep.errors import StudyError
from fer_sweep.spec import SweepSpec, load_kept, to_yaml
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import UNREADABLE, write_atomically


@dataclass(frozen=True)
class StudyFacts:
    """samples: labels, persons and ids for certain; features or pictures perhaps. fingerprint: of the complete data;
    id: of the study alone, whatever else has its name; empty if it began before 2026-11-27."""

    name: str
    spec: SweepSpec
    samples: Samples
    split: Split
    fingerprint: str
    id: str = ""


def save_facts(facts: StudyFacts, files: StudyFiles) -> None:
    """Keep the facts of a study beside its results."""
    write_atomically(files.sweep, to_yaml(facts.spec).encode())
    samples = facts.samples
    texts = {
        "fingerprint": facts.fingerprint,
        "id": facts.id,
        "ids": samples.ids,
        "class_names": samples.class_names,
        "person_names": samples.person_names,
        "warnings": samples.warnings,
    }
    arrays: dict[str, Any] = {"y": samples.y, "person": samples.person}
    arrays |= {name: getattr(samples, name) for name in ("planted", "part") if getattr(samples, name) is not None}
    packed = io.BytesIO()
    np.savez_compressed(packed, texts=np.array(json.dumps(texts)), **arrays)
    write_atomically(files.samples, packed.getvalue())


def load_facts(name: str, files: StudyFiles) -> StudyFacts:
    """The facts of a study that was run in this home; its samples have no features.

    Raises StudyError if there are none, or if they cannot be read.
    """
    try:
        with files.samples.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            texts = json.loads(str(file["texts"]))
            samples = Samples(
                x=np.empty((len(file["y"]), 0), dtype=np.float32),
                y=file["y"],
                person=file["person"],
                ids=tuple(texts["ids"]),
                class_names=tuple(texts["class_names"]),
                person_names=tuple(texts["person_names"]),
                planted=file.get("planted"),
                part=file.get("part"),
                warnings=tuple(texts["warnings"]),
            )
        text = files.sweep.read_text(encoding="utf-8")
    except (FileNotFoundError, *UNREADABLE) as error:
        file = error.filename if isinstance(error, FileNotFoundError) else files.samples
        raise StudyError(
            f"what study {name!r} is cannot be read from {file} ({type(error).__name__}). Run its sweep file "
            "again with the same --home, which writes it anew without training anything twice."
        ) from error
    spec = load_kept(text, str(files.sweep))
    return StudyFacts(
        name, spec, samples, make_split(samples, spec.protocol), texts["fingerprint"], texts.get("id", "")
    )
