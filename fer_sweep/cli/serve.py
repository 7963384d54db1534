"""fer-sweep serve: the studies in a browser."""

import time
from contextlib import suppress
from pathlib import Path

from fer_sweep.cli.console import out
from fer_sweep.errors import TrackingError
from fer_sweep.study.home import Home
from fer_sweep.tracking.server import HOST, running_server
from fer_sweep.tracking.urls import study_urls


def serve_store(home: Path, port: int) -> None:
    """Serve the local store until Ctrl-C or SIGTERM, which end it in order."""
    place = Home(home)
    begun = time.monotonic()
    with suppress(KeyboardInterrupt), running_server(place, port) as server:
        out.print(f"MLflow is up at http://{HOST}:{port} after {time.monotonic() - begun:.1f} s. Ctrl-C ends it.")
        for name, url in study_urls(place, f"http://{HOST}:{port}"):
            out.print(f"  {name}: {url}", soft_wrap=True)
        code = server.wait()
        raise TrackingError(f"the MLflow server ended by itself with exit code {code}; what it printed above says why.")
    out.print("MLflow is down again.")
