"""Every benchmark runs, in a form whose numbers mean nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ELSEWHERE = {"outages": "its parts are used by tracking/test_outages.py, which takes as long"}
BENCHMARKS = sorted(file for file in (ROOT / "benchmarks").glob("*.py") if file.stem not in ELSEWHERE)


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_a_benchmark_runs(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file), "--quick"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 4
