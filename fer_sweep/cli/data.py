"""fer-sweep data: what pictures there are, drawn ones, and what was computed from them before."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fer_sweep.cli import tables
from fer_sweep.cli.cache import usable_cache
from fer_sweep.cli.console import err, out
from fer_sweep.cli.png import check_png, write_png
from fer_sweep.data.cache import LIMIT, Cache
from fer_sweep.data.contact_sheet import contact_sheet
from fer_sweep.data.counts import counted
from fer_sweep.data.faces import find_faces
from fer_sweep.data.inspection import PARTS, Inspection, inspect, source_of
from fer_sweep.data.synthetic_faces import MANIFEST, check_new_folder, draw_faces, drawn_samples, writing_faces
from fer_sweep.errors import SpecError
from fer_sweep.spec.data import Fer2013Data, FolderData, SyntheticFaces
from fer_sweep.study.home import Home

SHOWN = 10


def show_inspection(
    path: Path,
    *,
    person: str | None,
    labels: tuple[str, ...] | None,
    manifest: Path | None,
    faces: bool,
    sheet: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Say what a folder or a FER-2013 file is, and how to use it.

    Raises SpecError for labels without a name, DataError for paths that cannot be read or written.
    """
    if labels is not None and not all(labels):
        raise SpecError(
            f"--labels: {','.join(labels)!r} has an empty name. Give one name per class, as in Angry,Happy."
        )
    if sheet is not None:
        check_png(sheet, option="--sheet")
    config = source_of(path, person=person, labels=labels, manifest=manifest)
    cache = usable_cache(home)
    with err.status("looking at every picture"):
        found, samples = inspect(config, cache, faces=faces)
        if sheet is not None:
            boxes = find_faces(samples.pictures)[:, 1:] if faces else None
            drawn = io.BytesIO()
            contact_sheet(samples, boxes=boxes).save(drawn, "PNG")
            write_png(drawn.getvalue(), sheet, option="--sheet")
    if as_json:
        out.print_json(
            json.dumps({**asdict(found), "faces": found.faces, "sheet": None if sheet is None else str(sheet)})
        )
        return
    _print_inspection(found, config)
    suggested = f"{path.resolve().name.removesuffix('.csv')}-contact-sheet.png"
    written = f"none; --sheet {suggested} writes one" if sheet is None else str(sheet)
    out.print(f"contact sheet: {written}", soft_wrap=True)


def _print_inspection(found: Inspection, config: FolderData | Fer2013Data) -> None:
    told = f"{counted(found.pictures, 'picture')} of {counted(found.persons, 'person')}"
    out.print(f"layout: {found.layout}; {told}", soft_wrap=True)
    table = tables.empty_table()
    divided = any(facts.parts for facts in found.classes)
    table.add_column("class", overflow="fold")
    for column in ("pictures", "persons", *(PARTS if divided else ())):
        table.add_column(column, justify="right", no_wrap=True)
    for facts in found.classes:
        table.add_row(facts.name, *(str(n) for n in (facts.pictures, facts.persons, *facts.parts)))
    out.print(table)
    small, middle, large = (f"{width} x {height}" for width, height in found.sizes)
    out.print(f"sizes: {small} to {large} pixels, median {middle}", soft_wrap=True)
    if found.without_face is not None and found.faces is not None:
        share = 100 * found.faces / found.pictures
        out.print(f"faces: one was found in {found.faces} of {found.pictures} pictures ({share:.0f} %)", soft_wrap=True)
        _print_some([f"no face: {name}" for name in found.without_face])
    _print_some([f"unreadable: {name}: {reason}" for name, reason in found.unreadable])
    for warning in found.warnings:
        out.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    settings = ", ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in config.model_dump(exclude_defaults=True, mode="json").items()
    )
    out.print(f"in a sweep file: data: {{{settings}}}", soft_wrap=True)


def _print_some(lines: Sequence[str]) -> None:
    """The first lines, and how many there are besides."""
    for line in lines[:SHOWN]:
        out.print(line, soft_wrap=True)
    if len(lines) > SHOWN:
        out.print(f"and {len(lines) - SHOWN} more (--json names all)", soft_wrap=True)


def synthesize(config: SyntheticFaces, folder: Path, *, as_json: bool) -> None:
    """Write drawn faces into a new or empty folder. Raises DataError if it is neither, or cannot be written."""
    check_new_folder(folder)  # before all is drawn
    with _counting(err) as progress:
        pictures = list(progress.track(draw_faces(config), total=config.samples, description="drawing faces"))
        samples = drawn_samples(config, pictures)
        for _ in progress.track(writing_faces(samples, folder), total=len(samples), description="writing faces"):
            pass
    manifest = folder / MANIFEST
    if as_json:
        out.print_json(json.dumps({"folder": str(folder), "manifest": str(manifest), "pictures": config.samples}))
        return
    out.print(f"{config.samples} faces of {config.persons} persons are in {folder}", soft_wrap=True)
    out.print(f"labels, and which of them are wrong on purpose: {manifest}", soft_wrap=True)
    out.print(f"in a sweep file: data: {{source: folder, path: {json.dumps(str(folder))}}}", soft_wrap=True)


def _counting(console: Console) -> Progress:
    """Bars with counts and the time that is left, for work whose amount is known; nothing in a pipe."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def show_cache(home: Path, *, clear: bool, as_json: bool) -> None:
    """Show what was computed from pictures, or delete it."""
    cache = Cache(Home(home).cache)
    entries = cache.entries()
    total = sum(entry.bytes for entry in entries)
    freed = cache.clear() if clear else 0
    if as_json:
        listed = [{"kind": e.kind, "bytes": e.bytes, "used": e.used, "path": str(e.path)} for e in entries]
        out.print_json(json.dumps({"entries": listed, "bytes": total, "limit": LIMIT, "freed": freed}))
    elif clear:
        out.print(f"{counted(len(entries), 'array')} deleted, {_megabytes(freed)} freed")
    elif not entries:
        out.print(f"nothing is kept in {cache.folder}", soft_wrap=True)
    else:
        table = tables.empty_table()
        table.add_column("what")
        for column in ("arrays", "size", "last used"):
            table.add_column(column, justify="right", no_wrap=True)
        for kind in dict.fromkeys(entry.kind for entry in entries):  # most recently used first
            alike = [entry for entry in entries if entry.kind == kind]
            used = datetime.fromtimestamp(alike[0].used).strftime("%Y-%m-%d %H:%M")
            table.add_row(kind, str(len(alike)), _megabytes(sum(entry.bytes for entry in alike)), used)
        out.print(table)
        out.print(f"{_megabytes(total)} of at most {_megabytes(LIMIT)} in {cache.folder}", soft_wrap=True)


def _megabytes(count: int) -> str:
    return f"{np.ceil(count / 1e5) / 10:,.1f} MB"
