import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_sweep.tracking.provenance import provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "sweep.yaml").write_text("name: a\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_clean_checkout_gives_its_commit(repository: Path) -> None:
    tags = provenance()
    assert tags["git.sha"] == git(repository, "rev-parse", "HEAD")
    assert tags["git.dirty"] == "false"


def test_a_changed_file_makes_the_checkout_dirty(repository: Path) -> None:
    (repository / "sweep.yaml").write_text("name: b\n")
    assert provenance()["git.dirty"] == "true"


def test_the_files_a_study_writes_do_not_make_it_dirty(repository: Path) -> None:
    (repository / "mlflow.db").write_text("")
    assert provenance()["git.dirty"] == "false"


def test_a_repository_without_commits_has_no_git_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    assert not {"git.sha", "git.dirty"} & set(provenance())


def test_outside_a_repository_there_are_no_git_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert not {"git.sha", "git.dirty"} & set(provenance())


def test_without_git_there_are_no_git_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git.sha" not in provenance()


def test_versions_and_machine_are_named() -> None:
    tags = provenance()
    for key in (
        "version.fer-sweep",
        "version.torch",
        "version.numpy",
        "version.optuna",
        "version.mlflow",
        "python",
        "platform",
        "cpu",
    ):
        assert tags[key]
    assert int(tags["cpu.cores"]) >= 1
    assert float(tags["memory_gib"]) > 0


def test_passwords_in_addresses_and_environment_variables_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    monkeypatch.setattr(sys, "argv", ["fer-sweep", "run", "--storage", "postgresql://ann:hunter2@db:5432/optuna"])
    tags = provenance()
    assert tags["command"] == "fer-sweep run --storage postgresql://***@db:5432/optuna"
    assert "hunter2" not in str(tags)


def test_it_is_quick_and_loads_no_library() -> None:
    code = (
        "import sys, fer_sweep.tracking.provenance as p; p.provenance(); print({'torch', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    begun = time.perf_counter()
    provenance()
    assert time.perf_counter() - begun < 1.0
