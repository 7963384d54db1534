"""What a report replaces, and what it must not."""

import re
from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.reporting.report_folder import MADE_BY, ReportFolder


def write(folder: Path, part: str) -> Path:
    place = ReportFolder(folder)
    (place.parts / part).write_text("1")
    return place.finish(f"<footer>{MADE_BY}.</footer>")


def test_an_earlier_report_is_replaced_with_all_its_parts(tmp_path: Path) -> None:
    write(tmp_path / "report", "old.csv")

    written = write(tmp_path / "report", "new.csv")

    assert written == tmp_path / "report" / "report.html"
    assert sorted(str(file.relative_to(written.parent)) for file in written.parent.rglob("*")) == [
        "parts", "parts/new.csv", "report.html",
    ]  # fmt: skip


def test_an_earlier_report_stays_until_the_new_one_is_finished(tmp_path: Path) -> None:
    written = write(tmp_path, "old.csv")

    ReportFolder(tmp_path)  # which a crash ends

    assert written.exists()
    assert (tmp_path / "parts" / "old.csv").exists()


@pytest.mark.parametrize("theirs", ["parts/thesis.txt", "report.html"])
def test_what_is_no_report_is_not_replaced(theirs: str, tmp_path: Path) -> None:
    (tmp_path / theirs).parent.mkdir(exist_ok=True)
    (tmp_path / theirs).write_text("years of work")

    with pytest.raises(StudyError, match=r"is no part of a report of fer-sweep.*name another folder with --output"):
        ReportFolder(tmp_path)

    assert (tmp_path / theirs).read_text() == "years of work"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "answer.html"
    file.write_text("")

    with pytest.raises(StudyError, match=f"cannot be written to {re.escape(str(file))}: File exists.*--output"):
        ReportFolder(file)
