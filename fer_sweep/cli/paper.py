"""fer-sweep paper: every sweep of the paper, one after another, and the report on them."""

from pathlib import Path

from fer_sweep.cli.console import err, out
from fer_sweep.cli.run import conduct
from fer_sweep.errors import SpecError, TrackingError
from fer_sweep.reporting.paper.plan import HALVES, Half, Inputs, planned
from fer_sweep.reporting.paper.report import write_paper_report
from fer_sweep.reporting.report_folder import ReportFolder
from fer_sweep.study.home import Home


def reproduce(
    workbook: Path,
    images: Path | None,
    sweeps: Path,
    *,
    quick: bool,
    only: str | None,
    output: Path,
    tracking_uri: str | None,
    offline: bool,
    home: Home,
) -> None:
    """Run what is not there yet, and write the report.

    Raises SpecError or StudyError before anything runs if something that is asked for cannot be run or written, and
    TrackingError at the end if not all is in MLflow.
    """
    inputs = Inputs(sweeps, workbook, images, quick, _halves(only))
    jobs = planned(inputs)
    place = ReportFolder(output)
    left: list[str] = []
    for number, (job, spec) in enumerate(jobs, start=1):
        err.print(f"{number} of {len(jobs)}: {spec.description} ({job.split} splits)", style="bold", soft_wrap=True)
        _, unsent = conduct(spec, home, branch=False, tracking_uri=tracking_uri, offline=offline)
        left += [] if unsent is None else [unsent]
    with err.status("drawing"):
        written = write_paper_report(inputs, home, place)
    out.print(f"{written}", soft_wrap=True)
    if left:
        raise TrackingError("\n".join(left))


def _halves(only: str | None) -> tuple[Half, ...]:
    if only is None:
        return HALVES
    chosen = tuple(half for half in HALVES if half == only)
    if not chosen:
        raise SpecError(f"--only: {only!r} is no half of the paper. Use {' or '.join(HALVES)}.")
    return chosen
