"""fer-sweep report: what a study found, as a file to read, to print and to send."""

from pathlib import Path

from fer_sweep.cli.console import err, out
from fer_sweep.reporting.study_report import write_study_report
from fer_sweep.study.home import Home


def report_study(study: str, *, folder: Path | None, home: Home) -> None:
    """Write a study's report and say where it is. Raises StudyError if there is nothing to report."""
    with err.status("drawing"):
        written = write_study_report(study, home, folder or Path("reports") / study)
    out.print(f"{written}", soft_wrap=True)
