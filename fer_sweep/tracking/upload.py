"""Artifacts travel as one folder per run: one call instead of one per file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient

FOLDER_PREFIX = "fer-sweep-"
"""What the temporary folders are called, plus 8 random characters."""


@contextmanager
def log_folder(client: MlflowClient, run_id: str) -> Iterator[Path]:
    """A temporary folder whose content becomes the run's artifacts."""
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as name:
        folder = Path(name)
        yield folder
        client.log_artifacts(run_id, str(folder))
