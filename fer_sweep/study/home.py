"""Home: the one place that knows where a project keeps its files (`.fer-sweep/` unless told otherwise)."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = Path(".fer-sweep")


@dataclass(frozen=True)
class Home:
    """The files of all studies of a project. Nothing is created by looking."""

    root: Path

    @property
    def optuna_url(self) -> str:
        """Database of all searches; never the same as MLflow's (both migrate a table called alembic_version)."""
        return f"sqlite:///{self.root.absolute() / 'optuna.db'}"

    @property
    def optuna_file(self) -> Path:
        return self.root / "optuna.db"

    @property
    def mlflow_file(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def cache(self) -> Path:
        """Folder of what was computed from pictures."""
        return self.root / "cache"

    def study(self, name: str) -> "StudyFiles":
        return StudyFiles(self.root / "studies" / name)


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study: its lock, and a result file for every trial that was run."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "coordinator.lock"

    @property
    def holder(self) -> Path:
        return self.root / "coordinator.json"

    @property
    def spent(self) -> Path:
        return self.root / "spent.json"

    def result(self, stage: str, number: int) -> Path:
        """Where the result of a trial is kept; `stage` is `search` or `confirm`."""
        return self.root / stage / f"{number:05d}.npz"

    def checkpoints(self, stage: str) -> Path:
        """Folder of what interrupted trials go on from."""
        return self.root / stage / "checkpoints"
