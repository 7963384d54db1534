"""Addresses of stores."""

from pathlib import Path

import pytest

from fer_sweep.errors import StudyError
from fer_sweep.study.home import DEFAULT_HOME, Home
from fer_sweep.tracking.address import store_of


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost:5000", " Did you mean http://localhost:5000?"),
        ("mlflow", " Did you mean http://mlflow?"),
        ("htp://mlflow:5000", ""),
        ("./mlruns", ""),
        ("file:///tmp/mlruns", ""),
        ("", ""),
    ],
)
def test_what_is_no_address_of_a_store_is_refused_at_once(given: str, meant: str) -> None:
    with pytest.raises(StudyError) as caught:
        store_of(given, Home(Path("home")))

    assert str(caught.value) == (
        f"--tracking-uri (or MLFLOW_TRACKING_URI): {given!r} is no address of an MLflow store.{meant} Use "
        "http://HOST:PORT of a server, or a database: sqlite:///FILE, postgresql://USER@HOST/DATABASE."
    )


def test_a_password_in_it_is_not_shown() -> None:
    with pytest.raises(StudyError, match="'nosuch://\\*\\*\\*@somewhere/db' is no address"):
        store_of("nosuch://user:secret@somewhere/db", Home(Path("home")))


def test_commands_name_what_is_not_the_default() -> None:
    usual, other = Home(DEFAULT_HOME), Home(Path("my home"))

    assert store_of(None, usual).options(usual) == ""
    assert store_of(None, other).options(other) == " --home 'my home'"
    assert store_of("http://me:secret@server:5000", usual).options(usual) == " --tracking-uri 'http://***@server:5000'"
    assert store_of("postgresql+psycopg://server/db", usual).artifacts == usual.artifacts
