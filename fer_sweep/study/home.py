"""Home: the one place that knows where a project keeps its files (`.fer-sweep/` unless told otherwise)."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HOME = Path(".fer-sweep")


@dataclass(frozen=True)
class Home:
    """The files of all studies of a project. Nothing is created by looking. storage: address of the database of
    searches, None for a SQLite file among the others."""

    root: Path
    storage: str | None = field(default=None, repr=False)  # there may be a password in it

    @property
    def option(self) -> str:
        """What a command needs to find it, after a space; nothing where that is the default."""
        return "" if self.root == DEFAULT_HOME else f" --home {shlex.quote(str(self.root))}"

    @property
    def optuna_url(self) -> str:
        """Database of all searches; never the same as MLflow's (both migrate a table called alembic_version)."""
        return self.storage or f"sqlite:///{self.optuna_file.absolute()}"

    @property
    def optuna_file(self) -> Path:
        """Where it is unless `storage` says otherwise."""
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

    @property
    def auth(self) -> Path:
        """Folder of users and keys of a server with passwords; for its owner's eyes only."""
        return self.root / "auth"

    def server_log(self, port: int) -> Path:
        """What the MLflow server on a port has to say."""
        return self.root / f"server-{port}.log"

    def study(self, name: str) -> "StudyFiles":
        return StudyFiles(self.root / "studies" / name)

    def tracked_studies(self) -> list[str]:
        """Names of the studies that have an outbox, sorted."""
        return sorted(file.parent.name for file in (self.root / "studies").glob("*/outbox.jsonl"))


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study: its lock, what it is, its outbox, and a result file for every trial that was run."""

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

    @property
    def sweep(self) -> Path:
        """The complete sweep file that the study was last run with."""
        return self.root / "sweep.yaml"

    @property
    def samples(self) -> Path:
        """What the study's samples are, without their features or pictures."""
        return self.root / "samples.npz"

    @property
    def outbox(self) -> Path:
        """Every event, on its way to MLflow."""
        return self.root / "outbox.jsonl"

    @property
    def damaged_outbox(self) -> Path:
        """An outbox that was replaced because something in it could not be read."""
        return self.root / "outbox.damaged.jsonl"

    @property
    def sent(self) -> Path:
        """How much of the outbox each MLflow store has."""
        return self.root / "sent.json"

    @property
    def writer_lock(self) -> Path:
        return self.root / "writer.lock"

    @property
    def writer_log(self) -> Path:
        """What the process that writes to MLflow had to say."""
        return self.root / "writer.log"

    def faces(self, stage: str, number: int) -> Path:
        """Pictures that outlier removal took away in a trial, as small as they are shown."""
        return self.root / stage / f"{number:05d}.faces.npz"

    def result(self, stage: str, number: int) -> Path:
        """Where the result of a trial is kept; `stage` is `search` or `confirm`."""
        return self.root / stage / f"{number:05d}.npz"

    def stage(self, stage: str) -> Path:
        """Folder of a stage's results, of its checkpoints and of what its trials print."""
        return self.root / stage

    def printed(self, stage: str, number: int) -> bytes:
        """What a trial printed in a process of its own; nothing otherwise."""
        log = self.root / stage / f"{number:05d}.log"
        return log.read_bytes() if log.exists() else b""

    def gate(self, key: str) -> Path:
        """Where the gate keeps how a configuration did; `key` identifies it and the splits."""
        return self.root / "gate" / f"{key}.npz"
