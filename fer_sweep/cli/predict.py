"""fer-sweep predict: what a model says about pictures or rows of features."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.bar import Bar
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fer_sweep.cli import tables
from fer_sweep.cli.console import err, out
from fer_sweep.cli.explanation import check_explanation, require_pictures, write_explanation
from fer_sweep.data.picture_files import picture_files
from fer_sweep.data.pictures import Pictures, each, together
from fer_sweep.data.table import read_features
from fer_sweep.errors import DataError
from fer_sweep.serving import Classifier, FeatureRows, Heat
from fer_sweep.serving.requests import pictures_of
from fer_sweep.spec.data import PICTURE_SUFFIXES
from fer_sweep.study.home import Home
from fer_sweep.tracking.address import existing_store
from fer_sweep.tracking.client import open_client
from fer_sweep.tracking.fitted_model import FoundModel, fetch_pipeline, find_model

AT_ONCE = 32
"""Pictures between two steps of the progress bar."""
BAR = 6
"""Width of a class's bar in characters."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one picture or row. probabilities: (C,), None where there is no answer, for a `reason`; `failed`
    if that is an error rather than what training would have done too."""

    name: str
    probabilities: tuple[float, ...] | None
    reason: str = ""
    failed: bool = False
    heat: Heat | None = field(default=None, compare=False)


def show_predictions(
    uri: str,
    inputs: Sequence[str],
    *,
    explain: Path | None,
    tracking_uri: str | None,
    home: Path,
    as_json: bool,
) -> None:
    """Print what the model says about every input. explain: PNG file for what in the pictures speaks for it.

    Raises ModelError for a model that there is not or that cannot be explained, DataError for inputs that cannot be
    read (after the answers for those that can), TrackingError if the store does not answer.
    """
    if explain is not None:
        check_explanation(explain)
    store = existing_store(tracking_uri, Home(home), wanted=uri)
    for given in inputs:
        if not (file := Path(given).expanduser()).exists():
            raise DataError(f"{given} does not exist (looked for {file.absolute()}). Correct the path.")
    with err.status(f"fetching {uri}"):
        client = open_client(store)
        found = find_model(client, uri)
        classifier = Classifier(fetch_pipeline(client, found))
    names, rows = classifier.pipeline.class_names, _takes_rows(classifier)
    files = inputs if rows else [file for given in inputs for file in _files(given)]
    if explain is not None:
        require_pictures(found, classifier, len(files))
    predictions = (
        _of_tables(classifier, files) if rows else _of_pictures(classifier, files, explained=explain is not None)
    )
    if as_json:
        explanation = None if explain is None else str(explain)
        out.print_json(json.dumps({**_as_json(found, names, predictions), "explanation": explanation}))
    else:
        out.print(_table(out, predictions, names, named=not rows))
    if explain is not None:
        _explain(explain, found, predictions, names)
    failed = [p for p in predictions if p.failed]
    if failed:
        raise DataError(
            f"{len(failed)} of {len(predictions)} pictures could not be read; the first: {failed[0].reason}"
        )


def _explain(file: Path, found: FoundModel, predictions: Sequence[Prediction], class_names: Sequence[str]) -> None:
    shown = [
        (Path(one.name).name, f"{class_names[int(np.argmax(one.probabilities))]} {100 * max(one.probabilities):.0f} %",
         one.heat)
        for one in predictions
        if one.probabilities is not None and one.heat is not None
    ]  # fmt: skip
    write_explanation(file, found, shown, dropped=len(predictions) - len(shown))
    err.print(f"what speaks for the answers (Grad-CAM): {file}", soft_wrap=True)


def _takes_rows(classifier: Classifier) -> bool:
    return isinstance(classifier.pipeline.input, FeatureRows)


def _of_tables(classifier: Classifier, files: Sequence[str]) -> list[Prediction]:
    """The rows of CSV files."""
    rows = classifier.pipeline.input
    assert isinstance(rows, FeatureRows)
    predictions = []
    for file in files:
        if Path(file).suffix.lower() in PICTURE_SUFFIXES or Path(file).is_dir():
            raise DataError(
                f"{file}: the model takes rows of features, not pictures. Give a CSV file with the columns "
                f"{', '.join(rows.names)}."
            )
        numbers, x = read_features(file, rows.names)
        prefix = f"{file}:" if len(files) > 1 else "row "
        names = [f"{prefix}{number}" for number in numbers]
        predictions += _answers(names, classifier.of_rows(x, names), "a value is missing")
    return predictions


def _of_pictures(classifier: Classifier, files: Sequence[str], *, explained: bool) -> list[Prediction]:
    """Picture files."""
    predictions: list[Prediction] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    with bar:
        for begin in bar.track(range(0, len(files), AT_ONCE), description="batches of pictures"):
            predictions += _batch(classifier, files[begin : begin + AT_ONCE], explained=explained)
    return predictions


def _files(given: str) -> list[str]:
    """A file as it is; the pictures in a folder and its subfolders in the order of their paths."""
    place = Path(given).expanduser()
    if not place.is_dir():
        if not place.exists():
            raise DataError(
                f"{given} does not exist (looked for {place.absolute()}). Name pictures, or a folder of some."
            )
        if place.suffix.lower() == ".csv":
            raise DataError(f"{given}: the model takes pictures, not rows of features. Give files such as face.jpg.")
        return [given]
    found = picture_files(place).files
    if not found:
        raise DataError(
            f"{given} holds no pictures (files that end in {', '.join(PICTURE_SUFFIXES)}). Name another folder."
        )
    return [str(file) for file in found]


def _batch(classifier: Classifier, files: Sequence[str], *, explained: bool) -> Iterator[Prediction]:
    """Answers in the order of the files; one that cannot be read does not keep the others from theirs."""
    read = each(lambda i: _read(files[i]), range(len(files)))
    good = [pictures for pictures in read if isinstance(pictures, Pictures)]
    names = [file for file, pictures in zip(files, read, strict=True) if isinstance(pictures, Pictures)]
    pictures = together(good)
    shares, heats = (
        classifier.explain(pictures) if explained else (classifier.of_pictures(pictures), [None] * len(good))
    )
    answers = _answers(names, shares, "no face was found")
    answered = (replace(answer, heat=heat) for answer, heat in zip(answers, heats, strict=True))
    for file, found in zip(files, read, strict=True):
        yield Prediction(file, None, found, failed=True) if isinstance(found, str) else next(answered)


def _read(file: str) -> Pictures | str:
    """One picture, or why it is none."""
    try:
        return pictures_of([Path(file).expanduser()], [file])
    except DataError as error:
        return str(error)


def _answers(names: Sequence[str], answers: npt.NDArray[np.float32], without: str) -> list[Prediction]:
    return [
        Prediction(name, None, without) if np.isnan(row).any() else Prediction(name, tuple(map(float, row)))
        for name, row in zip(names, answers, strict=True)
    ]


def _table(console: Console, predictions: Sequence[Prediction], class_names: Sequence[str], *, named: bool) -> Table:
    """One line per answer; with a bar per class where the console has room for all of them."""
    wide = _lines(predictions, class_names, named=named, bars=True)
    if Measurement.get(console, console.options.update(max_width=10_000), wide).maximum <= console.width:
        return wide
    return _lines(predictions, class_names, named=named, bars=False)


def _lines(predictions: Sequence[Prediction], class_names: Sequence[str], *, named: bool, bars: bool) -> Table:
    table = tables.empty_table()
    table.add_column("file" if named else "row", overflow="fold")
    table.add_column("label", no_wrap=True)
    table.add_column("probability", justify="right", no_wrap=True)
    for name in class_names if bars else ():
        table.add_column(name, no_wrap=True)
    for one in predictions:
        if one.probabilities is None:
            table.add_row(one.name, Text("unreadable", "red") if one.failed else Text(one.reason, "yellow"))
            continue
        best = int(np.argmax(one.probabilities))
        shown = [_bar(share, first=c == best) for c, share in enumerate(one.probabilities)] if bars else []
        table.add_row(one.name, class_names[best], f"{100 * one.probabilities[best]:.1f} %", *shown)
    return table


def _bar(share: float, *, first: bool) -> Table:
    cell = Table.grid(padding=(0, 1, 0, 0))
    cell.add_row(Bar(1.0, 0.0, share, width=BAR, color="cyan" if first else "bright_black"), f"{100 * share:3.0f}")
    return cell


def _as_json(found: FoundModel, class_names: Sequence[str], predictions: Sequence[Prediction]) -> dict[str, object]:
    def answer(one: Prediction) -> dict[str, object]:
        if one.probabilities is None:
            return {"input": one.name, "label": None, "probability": None, "probabilities": None, "reason": one.reason}
        best = int(np.argmax(one.probabilities))
        return {
            "input": one.name,
            "label": class_names[best],
            "probability": one.probabilities[best],
            "probabilities": dict(zip(class_names, one.probabilities, strict=True)),
            "reason": None,
        }

    model = {"uri": found.uri, "name": found.name, "version": found.version, "model_id": found.model_id}
    return {"model": model, "predictions": [answer(one) for one in predictions]}
