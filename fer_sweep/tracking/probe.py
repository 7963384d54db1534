"""What a tracking server says to a question that goes through to its database. Light: loads no MLflow."""

import base64
import os
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Literal
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

_QUESTION = "/api/2.0/mlflow/experiments/search?max_results=1"
"""/health says OK also when the database is gone; this does not."""

Verdict = Literal["answers", "unauthorized", "host refused", "forbidden", "error", "unreachable"]

Credentials = tuple[str, str]
"""User and password."""


@dataclass(frozen=True)
class Answer:
    """What came back: what it means, and the words."""

    verdict: Verdict
    text: str


def ask(server: str, *, credentials: Credentials | None = None, timeout: float = 10.0) -> Answer:
    """Ask a server (http://host:port, without a password) for one experiment. timeout in seconds. Never
    raises for what the server does."""
    request = urllib.request.Request(server.rstrip("/") + _QUESTION)
    if credentials is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(credentials).encode()).decode())
    # a proxy of the company's knows no loopback address
    direct = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(server).hostname or "") else []
    try:
        with urllib.request.build_opener(*direct).open(request, timeout=timeout) as answer:
            body = answer.read(10_000)
            # something else, such as the login page of a proxy, may answer 200 too
            if "json" in answer.headers.get("Content-Type", ""):
                return Answer("answers", body.decode(errors="replace"))
            return Answer("error", "it answers, but not as an MLflow server does")
    except HTTPError as error:
        return _refusal(error.code, error.read(10_000).decode(errors="replace"))
    except (OSError, HTTPException, ValueError) as error:
        return Answer("unreachable", str(getattr(error, "reason", error)) or type(error).__name__)


def _refusal(status: int, body: str) -> Answer:
    line = (body.strip().splitlines() or [""])[0][:200]
    if status == 401:
        return Answer("unauthorized", line)
    if status == 403:
        return Answer("host refused" if "Invalid Host header" in body else "forbidden", line)
    return Answer("error", f"HTTP {status}: {line}")


def own_credentials() -> Credentials | None:
    """What MLflow's clients here present to a server, from the variables that they read."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return None if user is None else (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))


def taken_apart(uri: str) -> tuple[str, Credentials | None]:
    """A server's address without the user and password that it may hold, and these."""
    parts = urlsplit(uri)
    held, _, place = parts.netloc.rpartition("@")
    user, _, password = held.partition(":")
    return parts._replace(netloc=place).geturl(), (unquote(user), unquote(password)) if held else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host in ("localhost", "::1") or host.startswith("127.")
