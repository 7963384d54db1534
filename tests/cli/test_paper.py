"""fer-sweep paper, on a workbook and on faces that are small enough."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_sweep.cli import paper
from fer_sweep.errors import SpecError, StudyError, TrackingError
from fer_sweep.reporting.paper import plan
from fer_sweep.reporting.paper.plan import HALVES, JOBS, Inputs
from fer_sweep.reporting.paper.report import write_paper_report
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.reporting.report_folder import ReportFolder
from fer_sweep.study.home import Home
from fer_sweep.study.stored import stored_studies
from tests.cli.test_run import failing, invoke
from tests.sweep_files import ROOT, write_inputs

SWEEPS = ROOT / "sweeps" / "paper"
SMALLER = {
    "values: [2, 5, 10, 20, 50, 100, 150, 200, 250, 300]": "values: [2, 10]",
    "values: [0.1, 0.4, 0.7, 1.0]": "values: [0.1, 1.0]",
    "values: [0.001, 0.005, 0.01, 0.05, 0.1, 1.0]": "values: [0.01, 1.0]",
    "hidden_units: 200": "hidden_units: 10",
    "hidden_units: 100}": "hidden_units: 10}",
    "samples: 700, persons: 70": "samples: 140, persons: 14",
    "epochs: 500,": "epochs: 60,",
    "values: [500, 50]": "values: [60, 50]",
    "epochs: 400}": "epochs: 40}",
    "values: [400, 30]": "values: [40, 30]",
    "values: [18, 50, 101]": "values: [18]",
    "depth: 50": "depth: 18",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def options(folder: Path) -> list[object]:
    inputs = write_inputs(folder)
    (folder / "sweeps").mkdir()
    for file in SWEEPS.glob("*.yaml"):
        text = file.read_text()
        for large, small in SMALLER.items():
            text = text.replace(large, small)
        (folder / "sweeps" / file.name).write_text(text)
    return [
        "--workbook", inputs["FER_SFEW_WORKBOOK"], "--images", inputs["FER_FACES"], "--quick", "--offline",
        "--home", folder / "home", "--sweeps", folder / "sweeps", "--output", folder / "report",
    ]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def smaller() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shorter = {
            name: [value.replace("epochs=20", "epochs=2").replace("epochs=30", "epochs=25") for value in overrides]
            for name, overrides in plan.QUICK_PICTURES.items()
        }
        patch.setattr(plan, "QUICK_PICTURES", shorter)
        yield


@pytest.fixture(scope="module")
def report(folder: Path, options: list[object]) -> str:
    done = invoke("paper", *options)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(folder / "report" / "report.html")
    return (folder / "report" / "report.html").read_text()


def test_every_sweep_of_the_paper_is_a_study(report: str, folder: Path) -> None:
    assert report
    assert {study.name for study in stored_studies(Home(folder / "home"))} == {job.study for job in JOBS}
    assert {job.sweep for job in JOBS} == {file.stem for file in SWEEPS.glob("*.yaml")}


def test_every_table_and_figure_has_its_section(report: str) -> None:
    titles = re.findall(r'<h2 id="[^"]+">([^<]+)</h2>', report)

    found = [title.partition(":")[0] for title in titles]
    assert found == [
        "What this is", "What the paper claims", "Table 1", "Table 2",
        "Figure 1", "Figure 4", "Figure 5", "Figure 6", "Figure 7", "Figure 8", "Figure 9",
        "Removal rules",
    ]  # fmt: skip
    assert report.count("<img ") == 14


def test_the_paper_stands_beside_ours(report: str) -> None:
    row = re.search(r"<tr><td[^>]*>NN with BDR, normalized</td>(.*?)</tr>", report)

    assert row is not None
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row[1])
    assert cells[0] == "27.45"
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d", cells[1])
    assert cells[2] == "6"
    assert cells[-1] in ("within the noise", "no")
    assert "not comparable" in report
    assert "Where the paper&#39;s protocol leaks" in report


def test_its_tables_lie_beside_it_as_numbers(report: str, folder: Path) -> None:
    assert report
    parts = folder / "report" / "parts"

    with (parts / "table-1-1.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert rows["NN with BDR, normalized"]["paper"] == "27.45"
    assert 0 <= float(rows["NN with BDR, normalized"]["ours: random, SD"]) <= 100
    assert (parts / "table-1-nn-with-bdr-normalized-by-class-random-split.csv").exists()
    assert {"what-the-paper-claims-1.csv", "table-2-accuracy-in-on-random-halves.csv"} < {
        file.name for file in parts.iterdir()
    }


def test_claims_have_intervals_and_a_verdict(report: str) -> None:
    section = report[report.index("What the paper claims</h2>") : report.index("Table 1</h2>")]

    rows = re.findall(r"<tr>(<td.*?)</tr>", section)
    assert len(rows) == 8
    for row in rows:
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        assert re.fullmatch(r"\[[+−]\d.*, [+−]\d.*\]", cells[2]), cells
        assert cells[4] in ("holds", "does not hold", "cannot be told from noise", "no difference seen", "it matters")
    assert "Random splits flatter" in section


def test_small_networks_do_not_pretend_to_be_the_papers(report: str) -> None:
    assert report.count("say nothing about the paper") >= 2


def test_trials_that_did_not_end_well_are_left_out(
    report: str, options: list[object], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report
    monkeypatch.setattr(PaperStudy, "rows", lambda *_: [])
    inputs = Inputs(folder / "sweeps", folder, None, quick=True, halves=HALVES)

    text = write_paper_report(inputs, Home(folder / "home"), ReportFolder(tmp_path)).read_text()

    assert "a control did not end well, so there is nothing to measure the rules against" in text
    assert "No ResNet ended well." in text


def test_again_it_trains_nothing(report: str, options: list[object]) -> None:
    assert report
    again = invoke("paper", *options, "--only", "network")

    assert again.exit_code == 0
    assert again.stderr.count("resuming study") == sum(job.half == "network" for job in JOBS)
    assert " complete " not in again.stderr


def test_what_cannot_be_run_is_told_before_anything_runs(options: list[object], tmp_path: Path) -> None:
    half = failing("paper", *options, "--only", "half")
    nowhere = failing("paper", *options, "--sweeps", tmp_path / "nowhere")

    assert isinstance(half, SpecError)
    assert str(half) == "--only: 'half' is no half of the paper. Use network or pictures."
    assert f"{tmp_path / 'nowhere'} is not a folder" in str(nowhere)
    assert "name the folder with --sweeps" in str(nowhere)


def test_what_any_of_its_studies_could_not_send_is_told_at_the_end(
    report: str, options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report
    unsent = {"paper-raw-random": "3 entries of paper-raw-random are left."}
    monkeypatch.setattr(paper, "conduct", lambda spec, *_, **__: (None, unsent.get(spec.name)))

    failed = failing("paper", *options, "--only", "network")

    assert isinstance(failed, TrackingError)
    assert str(failed) == "3 entries of paper-raw-random are left."


def test_a_report_on_studies_that_were_not_run_says_so(tmp_path: Path) -> None:
    inputs = Inputs(SWEEPS, tmp_path / "SFEW.xlsx", None, quick=True, halves=("network",))

    with pytest.raises(StudyError, match=r"no study is called 'paper-learning-rate-random'"):
        write_paper_report(inputs, Home(tmp_path / "home"), ReportFolder(tmp_path))


def test_every_removal_rule_stands_against_its_controls(report: str) -> None:
    section = report[report.index("Removal rules: which to use when</h2>") :]

    tables = re.findall(r"<table.*?</table>", section, re.DOTALL)[:3]
    for table, known in zip(tables, (True, False, False), strict=True):
        rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr[^>]*>(<td.*?)</tr>", table)]
        assert len(rows) == (11 if known else 10)
        assert len(rows[0]) == (11 if known else 9)
        by_name = {row[0]: row for row in rows}
        assert by_name["fully trained"][-6:] == [""] * 6
        assert all(re.match(r"[+−]\d", cell) for cell in by_name["guarded BDR"][-6::2])
        assert by_name["absolute criterion"][2] == "–"
    assert {"1.00", "100 %"} & set(re.findall(r">(1\.00|100 %)<", tables[0]))  # of the oracle
    assert "With wrong labels: " in section
    assert re.search(r"on these numbers\.|Where labels may be wrong, ", section)
