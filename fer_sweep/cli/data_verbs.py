"""Verbs about pictures. Each imports what it needs when it is called, so that --help answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from fer_sweep.cli.options import AsJson, HomeFolder
from fer_sweep.study.home import DEFAULT_HOME


def inspect_data(  # noqa: PLR0917 (typer passes by name)
    path: Annotated[Path, typer.Argument(help="Folder of pictures, or FER-2013's CSV file.", show_default=False)],
    person: Annotated[
        str | None, typer.Option("--person", metavar="REGEX", help="What names the person: (?P<person>...).")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,...", help="Names of numeric class folders, in order.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", metavar="FILE", help="CSV of path, label and, if known, person, part.")
    ] = None,
    faces: Annotated[bool, typer.Option("--faces/--no-faces", help="Look for faces.")] = True,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="Write a contact sheet with the found faces (PNG).")
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Say what a folder of pictures is: layout, classes, persons, sizes, bad files, faces."""
    from fer_sweep.cli.data import show_inspection

    names = None if labels is None else tuple(name.strip() for name in labels.split(","))
    show_inspection(
        path,
        person=person,
        labels=names,
        manifest=manifest,
        faces=faces,
        sheet=sheet,
        home=home,
        as_json=as_json,
    )


def synthesize_data(  # noqa: PLR0917 (typer passes by name)
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    samples: Annotated[int, typer.Option("--n", min=28, max=100_000, help="Number of pictures.")] = 420,
    persons: Annotated[int, typer.Option("--persons", min=4)] = 42,
    size: Annotated[int, typer.Option("--size", min=32, max=512, help="Side in pixels.")] = 96,
    strength: Annotated[float, typer.Option("--strength", min=0.0, max=2.0, help="Of expressions.")] = 1.0,
    wrong_labels: Annotated[float, typer.Option("--wrong-labels", min=0.0, max=0.5, help="Share, known.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one draws other people.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write drawn faces in seven expressions as files."""
    from fer_sweep.cli.data import synthesize
    from fer_sweep.spec.data import SyntheticFaces

    config = SyntheticFaces(
        source="synthetic_faces",
        samples=samples,
        persons=persons,
        size=size,
        strength=strength,
        wrong_labels=wrong_labels,
        seed=seed,
    )
    synthesize(config, folder, as_json=as_json)


def data_cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything in it.")] = False,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Show, or clear, what was computed from pictures: faces, pixels, descriptors, backbone features."""
    from fer_sweep.cli.data import show_cache

    show_cache(home, clear=clear, as_json=as_json)
