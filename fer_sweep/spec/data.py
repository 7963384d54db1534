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
    features: tuple[str, ...] | None = Field(default=None, strict=False)
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


DataConfig = Annotated[WorkbookData | CsvData | SyntheticFeatures, Field(discriminator="source")]
