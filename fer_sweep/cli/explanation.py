"""fer-sweep predict --explain: what in the pictures speaks for the answers."""

from collections.abc import Sequence
from pathlib import Path

from fer_sweep.cli.png import check_png, write_png
from fer_sweep.errors import DataError, ModelError
from fer_sweep.serving import Classifier, Heat
from fer_sweep.tracking.fitted_model import FoundModel

OPTION = "--explain"
MOST = 200
"""Pictures on one sheet."""


def check_explanation(file: Path) -> None:
    """Raises DataError if the picture cannot be written."""
    check_png(file, option=OPTION)


def require_pictures(found: FoundModel, classifier: Classifier, count: int) -> None:
    """Raises ModelError for a model that has nothing to show, DataError for more pictures than a sheet holds."""
    if not classifier.sees_pictures:
        raise ModelError(
            f"{OPTION}: {found.uri} (model.kind: {classifier.pipeline.model.kind}) sees features or descriptors, "
            "not pictures, so there are no places to show. Ask a CNN or a ResNet, or leave it out."
        )
    if count > MOST:
        raise DataError(f"{OPTION} shows {MOST} pictures at most, but there are {count}. Ask for fewer at a time.")


def write_explanation(file: Path, found: FoundModel, answers: Sequence[tuple[str, str, Heat]], *, dropped: int) -> None:
    """Write a sheet of pictures, each with its name and answer. dropped: pictures that have none.

    Raises DataError if there is nothing to show, or it cannot be written.
    """
    from fer_sweep.tracking.figures import HeatedPicture, heated_pictures  # here: matplotlib takes a second to load

    if not answers:
        raise DataError(f"{OPTION}: no picture has an answer, so there is nothing to show.")
    cells = [
        HeatedPicture(above=name, picture=heat.face, heat=heat.heat, below=answer) for name, answer, heat in answers
    ]
    left_out = f"; {dropped} without an answer" if dropped else ""
    sheet = heated_pictures(
        cells, title=f"Grad-CAM of {found.uri}", explanation=f"what speaks for the class that is predicted{left_out}"
    )
    write_png(sheet, file, option=OPTION)
