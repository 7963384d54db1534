"""How far each store is with a study's outbox. Saves time and is never needed: without it all is looked at anew."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fer_sweep.study.home import StudyFiles
from fer_sweep.study.journal import write_atomically
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.outbox import Entry, read_outbox


@dataclass(frozen=True)
class Sent:
    """What a store was given: all entries up to an offset of the outbox, but for those set aside, which are named by
    the offset at which they end."""

    end: int = 0
    aside: frozenset[int] = frozenset()


def sent_to(files: StudyFiles, store: Store) -> Sent:
    """What the store was given."""
    return _as_sent(_kept(files).get(store.name, 0))


def _as_sent(kept: Any) -> Sent:
    return Sent(kept) if isinstance(kept, int) else Sent(kept["end"], frozenset(kept["aside"]))


def save_sent(files: StudyFiles, store: Store, sent: Sent) -> None:
    """Keep what the store was given."""
    now = {"end": sent.end, "aside": sorted(sent.aside)} if sent.aside else sent.end
    write_atomically(files.sent, json.dumps({**_kept(files), store.name: now}).encode())


def forget(files: StudyFiles, store: Store) -> None:
    """Let everything be looked at again, as if the store had been given nothing."""
    kept = {name: sent for name, sent in _kept(files).items() if name != store.name}
    write_atomically(files.sent, json.dumps(kept).encode())


def unsent(files: StudyFiles, store: Store) -> int:
    """How many entries of the outbox the store has not been given."""
    sent = sent_to(files, store)
    return len(sent.aside) + sum(1 for _ in read_outbox(files.outbox, sent.end))


def complete_stores(files: StudyFiles) -> list[str]:
    """Names of the stores that were given all of the outbox."""
    end = max((line.end for line in read_outbox(files.outbox)), default=0)
    return [name for name, kept in _kept(files).items() if _as_sent(kept) == Sent(end)]


def set_aside(files: StudyFiles, ends: frozenset[int]) -> dict[int, Entry]:
    """The entries that end at these offsets, less those about which a later entry says more: a study that goes on has
    no use for how it had ended, a trial that ran again none for how it had begun."""
    found: dict[tuple[object, ...], tuple[int, Entry]] = {}
    for line in read_outbox(files.outbox):
        if line.entry is None:
            continue
        found.pop(_subject(line.entry), None)
        if line.end in ends:
            found[_subject(line.entry)] = line.end, line.entry
    return dict(found.values())


def _subject(entry: Entry) -> tuple[object, ...]:
    body = entry.body
    if entry.kind in ("opened", "ended"):
        return ("study",)
    epoch = body["report"]["epoch"] if entry.kind == "reported" else None
    return entry.kind, body["stage"], body["number"], body["split"], epoch


def _kept(files: StudyFiles) -> Mapping[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(files.sent.read_text())
    except (FileNotFoundError, ValueError):
        return {}  # all is looked at again, which costs time but writes nothing twice
    return kept
