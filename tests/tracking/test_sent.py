"""What a store was given of an outbox, and what of that still matters."""

from pathlib import Path
from typing import Any

from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.outbox import Entry, Kind, Outbox, read_outbox
from fer_sweep.tracking.sent import Sent, forget, save_sent, sent_to, set_aside, unsent

HERE, THERE = Store("sqlite:///here.db", None), Store("http://there", None)


def outbox(folder: Path, *entries: tuple[Kind, dict[str, Any]]) -> tuple[StudyFiles, list[int]]:
    """The files of a study with these entries, and where each ends."""
    files = Home(folder).study("s")
    with Outbox(files.outbox) as box:
        for kind, body in entries:
            box.append(Entry(1, kind, body), durable=False)
    return files, [line.end for line in read_outbox(files.outbox)]


def trial(number: int, **more: Any) -> dict[str, Any]:
    return {"stage": "search", "number": number, "split": "x", **more}


def test_what_a_store_was_given_is_kept_store_by_store(tmp_path: Path) -> None:
    files, ends = outbox(tmp_path, ("opened", {}), ("started", trial(0)), ("started", trial(1)))
    assert sent_to(files, HERE) == Sent()
    assert unsent(files, HERE) == 3

    save_sent(files, HERE, Sent(ends[1], frozenset({ends[0]})))
    save_sent(files, THERE, Sent(ends[2]))

    assert sent_to(files, HERE) == Sent(ends[1], frozenset({ends[0]}))
    assert (unsent(files, HERE), unsent(files, THERE)) == (2, 0)
    forget(files, HERE)
    assert (unsent(files, HERE), unsent(files, THERE)) == (3, 0)


def test_what_a_later_entry_says_better_need_not_be_tried_again(tmp_path: Path) -> None:
    early, late = trial(0, report={"epoch": 1}), trial(0, report={"epoch": 2})
    files, ends = outbox(
        tmp_path,
        ("opened", {}), ("started", trial(0)), ("reported", early), ("reported", late), ("ended", {}),
        ("opened", {}), ("started", trial(0)), ("finished", trial(0)), ("finished", trial(1)),
    )  # fmt: skip

    waiting = set_aside(files, frozenset(ends))

    assert sorted(ends.index(end) for end in waiting) == [2, 3, 5, 6, 7, 8]
    assert set_aside(files, frozenset({ends[1], ends[4]})) == {}
    assert set_aside(files, frozenset({ends[7]}))[ends[7]].kind == "finished"
