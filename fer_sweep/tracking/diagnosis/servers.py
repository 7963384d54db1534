"""Tracking servers: do they answer, whom do they let in, and what do they run?"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from fer_sweep.tracking.address import Store
from fer_sweep.tracking.diagnosis.findings import Finding
from fer_sweep.tracking.listeners import ANYWHERE, Listener, environment_of, listeners
from fer_sweep.tracking.probe import ask, is_loopback, own_credentials, taken_apart

WELL_KNOWN = (("admin", "password1234"), ("admin", "password"), ("admin", "admin"), ("mlflow", "mlflow"))
"""MLflow's former default, and what public examples have."""
_SAFE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"


def server(store: Store) -> Iterator[Finding]:
    """The server that is asked to track, if the store is one."""
    if not store.uri.startswith(("http://", "https://")):
        return
    address, held = taken_apart(store.uri)
    credentials = own_credentials() or held
    answer = ask(address, credentials=credentials)
    name, host = store.name, urlsplit(store.uri).hostname or ""
    match answer.verdict:
        case "answers":
            yield Finding("ok", name, "answers a question to its database")
        case "unreachable":
            yield Finding(
                "problem", name, f"cannot be reached: {answer.text}", "Start it, or correct the address; studies go on."
            )
            return
        case "host refused":
            yield Finding(
                "problem",
                name,
                f"does not know itself by the name {host} (403, Invalid Host header)",
                f"Start it with fer-sweep serve --allowed-host {host}, or call it by a name that it knows.",
            )
            return
        case "unauthorized":
            found = (
                "asks for a user and a password (401)"
                if credentials is None
                else f"does not accept user {credentials[0]!r} with this password (401)"
            )
            yield Finding("problem", name, found, "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.")
        case "forbidden":
            yield Finding("problem", name, f"forbids it (403): {answer.text}", "Ask its administrator.")
        case "error":
            yield Finding(
                "problem", name, f"answers with an error: {answer.text}", "Look at its log; is its database there?"
            )
    yield from _open_doors(store, host)


def _open_doors(store: Store, host: str) -> Iterator[Finding]:
    """Who gets in without a password, or with one that everybody knows."""
    address, _ = taken_apart(store.uri)
    anonymous = ask(address)
    if anonymous.verdict == "unauthorized":
        known = next((pair for pair in WELL_KNOWN if ask(address, credentials=pair).verdict == "answers"), None)
        if known is None:
            yield Finding("ok", store.name, "accepts none of the well-known passwords")
        else:
            yield Finding(
                "problem",
                store.name,
                f"ACCEPTS THE WELL-KNOWN PASSWORD of user {known[0]} ({known[1]}): everybody who can reach it can read "
                "and delete everything",
                "Change it NOW (fer-sweep serve --auth --new-password, or MLflow's update-password API), and look for "
                "users and models that are not yours.",
            )
        if not is_loopback(host) and store.uri.startswith("http://"):
            yield Finding("note", store.name, "passwords travel unencrypted", "Put TLS in front of it: https://.")
    elif anonymous.verdict == "answers" and not is_loopback(host):
        yield Finding(
            "problem",
            store.name,
            "can be reached over the network and asks for no password: everybody there can change everything",
            "Start it with --auth, or let it listen on 127.0.0.1 behind something that asks.",
        )


def servers_here(port: int | None = None) -> Iterator[Finding]:
    """MLflow servers that run on this machine, as far as the system tells. port: of one that others have looked at."""
    for listener in listeners():
        if listener.is_mlflow:
            yield from exposed(listener, looked_at=port)
            yield from loads_pickles(listener)


def exposed(listener: Listener, *, looked_at: int | None) -> Iterator[Finding]:
    """Whether strangers get in. looked_at: a port that others have looked at."""
    address = f"http://127.0.0.1:{listener.port}"
    if listener.address in ANYWHERE and listener.port != looked_at and ask(address).verdict == "answers":
        yield Finding(
            "problem",
            address,
            f"{listener.name} listens on all addresses of this machine and asks for no password",
            "Stop it, and start it with fer-sweep serve (this machine alone), or with --auth.",
        )


def loads_pickles(listener: Listener) -> Iterator[Finding]:
    """Whether a server may run the code in a model, as far as its environment can be seen."""
    environment = environment_of(listener)
    if environment and environment.get(_SAFE, "true").lower() != "false":
        yield Finding(
            "note",
            f"http://127.0.0.1:{listener.port}",
            f"{listener.name} may load pickled models, which run whatever code is in them",
            f"Start it with {_SAFE}=false (fer-sweep serve does).",
        )


def pickles_here() -> Iterator[Finding]:
    """Whether models that are loaded in this terminal may run code."""
    if os.environ.get(_SAFE, "true").lower() != "false":
        yield Finding(
            "note",
            "models",
            "loading somebody else's pickled model here would run its code; promoted models need no pickle",
            f"export {_SAFE}=false",
        )
