"""The report of a study that was really run."""

import re
from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.reporting.study_report import write_study_report
from fer_sweep.study.home import Home
from fer_sweep.study.study import open_study
from tests.cli.test_run import failing, invoke
from tests.tracking import browser
from tests.tracking.studies import tiny, write_tiny

SHORT = ["--offline", "--set", "run_cap=4", "--set", "train.epochs=12"]
CONFIRMED = ["--set", "confirm={top_k: 1, repeats: 2}"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("reported")
    home = Home(folder / "home")
    for name, more in (("tiny", CONFIRMED), ("plain", ["--set", "name=plain"])):
        assert invoke("run", write_tiny(folder), "--home", home.root, *SHORT, *more).exit_code == 0, name
    return home


@pytest.fixture(scope="module")
def report(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study_report("tiny", home, tmp_path_factory.mktemp("report"))


def test_it_answers_the_question_on_fresh_splits(report: Path) -> None:
    text = report.read_text()

    assert "<h1>Is it tracked?</h1>" in text
    assert "On fresh splits, " in text
    assert re.findall(r'<h2 id="[^"]+">([^<]+)</h2>', text)[:3] == ["Answer", "Trials of the search", "What mattered"]
    assert re.search(r"<h2[^>]*>The best: trial [1-3], on fresh splits</h2>", text)
    assert '<h2 id="the-base-on-fresh-splits">' in text
    assert "selected on the reported folds" in text
    assert "Ended by run_cap: 4 trials." in text


def test_it_needs_no_other_file(report: Path) -> None:
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", report.read_text())


def test_its_parts_lie_beside_it(report: Path) -> None:
    parts = report.parent / "parts"

    assert {"study/trials.csv", "study/slices.png", "confirm_0/per_class.csv", "confirm_0/confusion.png"} <= {
        str(file.relative_to(parts)) for file in parts.rglob("*.*")
    }


def test_a_study_without_a_confirmation_is_told_about_the_trials_of_its_search(home: Home, tmp_path: Path) -> None:
    text = write_study_report("plain", home, tmp_path).read_text()

    assert "add a confirm section for an honest number" in text
    assert re.search(r"<h2[^>]*>The best(: trial [1-3])?, in the search</h2>", text)


def test_an_earlier_report_is_replaced_with_all_its_parts(home: Home, tmp_path: Path) -> None:
    write_study_report("plain", home, tmp_path)
    left_over = tmp_path / "parts" / "search_9" / "confusion.png"
    left_over.parent.mkdir()
    left_over.write_bytes(b"old")

    write_study_report("plain", home, tmp_path)

    assert not left_over.exists()


def test_a_study_that_does_not_exist_is_told_with_those_that_do(home: Home, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no study is called 'tony' .* Known studies: plain, tiny"):
        write_study_report("tony", home, tmp_path)


def test_without_a_complete_trial_there_is_nothing_to_report(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with open_study(*tiny(tmp_path), home):
        pass  # a crash before the first trial

    with pytest.raises(StudyError, match=r"no trial of study 'tiny' is complete.* fer-sweep status tiny"):
        write_study_report("tiny", home, tmp_path / "report")


def test_as_typed(home: Home, tmp_path: Path) -> None:
    done = invoke("report", "plain", "--home", home.root, "--output", tmp_path)

    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "report.html"))
    assert "no study is called 'nobody'" in str(failing("report", "nobody", "--home", home.root))


@pytest.mark.skipif(not browser.installed(), reason="chromium is not installed")
def test_in_a_browser_pictures_pages_and_films_are_shown(report: Path, tmp_path: Path) -> None:
    page = browser.look(f"file://{report}", tmp_path, size=(1100, 4000))

    assert page.scale_of((report.parent / "parts" / "study" / "best_so_far.png").read_bytes()) > 0.9
    assert page.dom.count("<rect") > 10  # the film's first frame
    assert "epoch 0</output>" in page.dom
