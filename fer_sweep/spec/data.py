"""Where samples come from: the `data` section of a sweep file, one model per `source`."""

from typing import Annotated, Literal

from pydantic import Field

from fer_sweep.spec.model import SpecModel


class WorkbookData(SpecModel):
    """The SFEW feature workbook of the paper: 675 rows, label 1..7, 5 LPQ and 5 PHOG principal components."""

    source: Literal["workbook"]
    path: str = Field(min_length=1)
    missing: Literal["drop", "impute", "error"] = "drop"
    """What to do with a row that has missing feature values: drop it, fill in zeros (what replications of the paper
    did), or refuse the workbook."""


class CsvData(SpecModel):
    """Any feature table: one row per sample, a header row, a label column and numeric feature columns."""

    source: Literal["csv"]
    path: str = Field(min_length=1)
    label: str = "label"
    person: str | None = None
    """Column that names the person (or film) of a sample. Without it every row is its own person."""
    id: str | None = None
    """Column that names the sample. Without it the ids are `row-2`, `row-3`, ... as a spreadsheet counts them."""
    features: tuple[str, ...] | None = Field(default=None, strict=False, min_length=1)
    """Feature columns. Without it: every column that is not the label, the person or the id."""
    missing: Literal["drop", "impute", "error"] = "drop"


class SyntheticFeatures(SpecModel):
    """Seven expressions in a feature space, persons with their own offset, and planted wrong labels with known ids."""

    source: Literal["synthetic_features"]
    samples: int = Field(default=420, ge=28, le=1_000_000)
    persons: int = Field(default=42, ge=4)
    features: int = Field(default=10, ge=2, le=10_000)
    separation: float = Field(default=1.0, ge=0.0)
    """Distance scale between class centres, in units of the within-class standard deviation."""
    person_spread: float = Field(default=0.5, ge=0.0)
    """Standard deviation of the offset that all samples of one person share."""
    wrong_labels: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of samples whose label is replaced by a wrong one; their ids are known, so removal can be scored."""
    seed: int = Field(default=0, ge=0)


class FaceOptions(SpecModel):
    """Which part of a picture is the face; settings of every source of pictures."""

    face: Literal["whole", "viola_jones"] = "whole"
    """`whole`: the picture is the face. `viola_jones`: the largest face that OpenCV's Haar cascades find."""
    margin: float = Field(default=0.1, ge=0.0, le=1.0)
    """What is kept around a found face on each side, as a share of its width."""
    no_face: Literal["whole", "centre", "drop"] = "whole"
    """A picture without a found face: take the whole picture, the largest square in its centre, or leave it out."""


PICTURE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm",
    ".tif", ".tiff", ".webp",
)  # fmt: skip
"""How the names of pictures end, in either case; of those that cannot be decoded it is said why."""


class FolderData(FaceOptions):
    """A folder of face pictures: a folder per class, in any case or spelling, or a data set whose layout is known."""

    source: Literal["folder"]
    path: str = Field(min_length=1)
    manifest: str | None = None
    """CSV file with the columns path, label and, if known, person and part (train, validation, test); replaces what
    folder and file names say. Its paths are relative to `path`."""
    labels: tuple[str, ...] | None = Field(default=None, strict=False)
    """Names of numeric class folders, in ascending order of their numbers."""
    person: str | None = None
    """Regular expression with a group `person`, searched in a picture's path relative to `path`; it must fit every
    one. Without it: the film franchise of an SFEW name, the subject of a CK+ or JAFFE name, the name in
    `Some_Name_0001.jpg`."""
    on_bad_file: Literal["skip", "error"] = "skip"
    """A file that is no readable picture: leave it out with a warning, or refuse the folder."""


class Fer2013Data(FaceOptions):
    """The CSV file of FER-2013: emotion, pixels (48 x 48 grey values) and Usage. It names no persons."""

    source: Literal["fer2013"]
    path: str = Field(min_length=1)


class SyntheticFaces(FaceOptions):
    """Drawn faces in seven expressions (FACS prototypes), several pictures per identity, and planted wrong labels."""

    source: Literal["synthetic_faces"]
    samples: int = Field(default=420, ge=28, le=100_000)
    persons: int = Field(default=42, ge=4)
    size: int = Field(default=96, ge=32, le=512)
    """Side of the square pictures in pixels."""
    strength: float = Field(default=1.0, ge=0.0, le=2.0)
    """How strongly expressions show; 0 draws every face neutral."""
    wrong_labels: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of samples whose label is replaced by a wrong one; their ids are known, so removal can be scored."""
    seed: int = Field(default=0, ge=0)


PictureData = FolderData | Fer2013Data | SyntheticFaces

DataConfig = Annotated[
    WorkbookData | CsvData | SyntheticFeatures | FolderData | Fer2013Data | SyntheticFaces,
    Field(discriminator="source"),
]
