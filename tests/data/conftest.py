"""The real SFEW workbook where there is one, and small workbooks of its layout everywhere."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fer_sweep.data import Samples, load_samples
from fer_sweep.spec.data import WorkbookData

Row = list[object]
WriteWorkbook = Callable[..., str]

HEADER: Row = [None, "label", "First 5 Principal Components of LPQ", *[None] * 4, "First 5 PCs of PHOG", *[None] * 4]


@pytest.fixture
def write_workbook(tmp_path: Path) -> WriteWorkbook:
    """write_workbook(rows, header) -> path of an .xlsx file with them."""

    def write(rows: Sequence[Row], header: Row | None = HEADER) -> str:
        import openpyxl

        book = openpyxl.Workbook()
        sheet = book.active
        for row in [header, *rows] if header is not None else rows:
            sheet.append(row)
        path = tmp_path / "features.xlsx"
        book.save(path)
        return str(path)

    return write


@pytest.fixture(scope="session")
def sfew_path() -> str:
    shared = Path(__file__).parents[3] / "shared" / "data" / "sfew" / "SFEW.xlsx"
    path = Path(os.environ.get("FER_SFEW_WORKBOOK", shared))
    if not path.is_file():
        pytest.skip(f"no SFEW workbook at {path}; set FER_SFEW_WORKBOOK (the data set is not redistributable)")
    return str(path)


@pytest.fixture(scope="session")
def sfew(sfew_path: str) -> Samples:
    return load_samples(WorkbookData(source="workbook", path=sfew_path))
