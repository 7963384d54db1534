"""The Ray cluster a study runs on: reached or told to be out of reach, and how much room it has."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import ray
from ray._private import services

from fer_sweep.errors import StudyError
from fer_sweep.spec.resources import ADDRESSES, address_problem
from fer_sweep.spec.search import Resources

REACH_SECONDS = 3.0
"""Time for a cluster to answer; Ray itself would wait for minutes."""
LOCAL_STORE = 256 * 2**20
"""Bytes for the object store of a Ray of one's own, besides twice the samples."""
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How HTTP/2 begins: what speaks gRPC answers with a frame of settings."""
_SETTINGS = 4


@dataclass(frozen=True)
class Node:
    """What a node has, in all."""

    cpus: float
    gpus: float

    def room(self, *, cpus: float, gpus: float) -> int:
        """How many times so much is there."""
        shares = [int(has / need + 1e-9) for has, need in ((self.cpus, cpus), (self.gpus, gpus)) if need > 0]
        return min(shares)


def address_of(wanted: str | None) -> str:
    """The address that is meant: `local`, `auto` or HOST:PORT. What is not said, or `auto`, is RAY_ADDRESS where that
    is set, as with Ray itself. Raises StudyError if it is none."""
    given = os.environ.get("RAY_ADDRESS") if wanted in (None, "auto") else None
    address = given or wanted or "local"
    if problem := address_problem(address):
        raise StudyError(f"{'RAY_ADDRESS' if given else 'resources.ray_address'}: {problem}. {ADDRESSES}")
    return address


def require_reachable(address: str) -> None:
    """Raises StudyError if nothing answers there as a Ray cluster does."""
    if address == "local":
        return
    if address == "auto":
        address = _cluster_of_this_machine()
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS) as connection:
            connection.sendall(_HELLO)
            frame = connection.recv(9)
    except (OSError, OverflowError) as error:
        why = "it does not answer" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", "") or error)
        raise StudyError(
            f"there is no Ray cluster at {address}: {why}. Is `ray start --head` running there, and is this the port "
            "that it names (6379 unless told otherwise)?"
        ) from error
    if len(frame) < 9 or frame[3] != _SETTINGS:
        raise StudyError(f"what answers at {address} is not Ray. `ray start --head` says which port is meant.")


def _cluster_of_this_machine() -> str:
    """Where Ray would look for `auto`; what it finds can be what a cluster that has died left behind."""
    try:
        return str(services.canonicalize_bootstrap_address("auto"))
    except ConnectionError as error:
        raise StudyError("there is no Ray cluster on this machine to join. Start one: ray start --head") from error


@contextmanager
def connected(address: str, *, held: int) -> Iterator[None]:
    """This process on a Ray cluster, or, for `local`, on a Ray that lives as long. held: bytes of the samples.

    Raises StudyError if it cannot be reached, or runs other versions of Ray or Python.
    """
    require_reachable(address)
    # Ray prints about its workers what is told here in other words
    ray._private.worker._worker_logs_enabled = False
    own: dict[str, Any] = {"object_store_memory": LOCAL_STORE + 2 * held} if address == "local" else {}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        ray.shutdown()
        raise StudyError(refusal(address, error)) from error
    try:
        if main:
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own in its place
        yield
    finally:
        ray.shutdown()


def refusal(address: str, error: Exception) -> str:
    """Why Ray has not let this machine in, and what to do."""
    if "Version mismatch" in str(error):
        return f"the Ray cluster at {address} runs other versions. {' '.join(str(error).split())}"
    cause = " ".join(str(error.__cause__ or error).split())
    if "AuthToken" in cause:
        return (
            f"the Ray cluster at {address} wants a token, and has not been given the right one. Set RAY_AUTH_MODE=token"
            " and RAY_AUTH_TOKEN_PATH to the file with the cluster's token."
        )
    return (
        f"this machine cannot join the Ray cluster at {address}: {cause}. fer-sweep has to run on a node of the "
        f"cluster; `ray start --address={address} --num-cpus=0` makes this machine one on which no trial runs."
    )


def nodes() -> list[Node]:
    """The nodes that are there."""
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    alive = [node["Resources"] for node in known if node["Alive"]]
    return [Node(has.get("CPU", 0.0), has.get("GPU", 0.0)) for has in alive]


def device_of(resources: Resources, there: Sequence[Node]) -> Literal["cpu", "cuda"]:
    """Where trials train. Raises StudyError if that is a GPU and there is none."""
    gpus = sum(node.gpus for node in there)
    if resources.device == "cuda" and not gpus:
        raise StudyError(
            "resources.device: cuda, but no node of the Ray cluster has a GPU that Ray knows. Start nodes with "
            "`ray start --num-gpus=N`, or use resources.device: cpu."
        )
    if resources.device == "cpu" or not gpus or resources.gpus_per_trial == 0:
        return "cpu" if not resources.gpus_per_trial else "cuda"
    return "cuda"


def room(there: Sequence[Node], *, cpus: float, gpus: float) -> int:
    """How many slots the cluster has room for. Raises StudyError if for none."""
    places = sum(node.room(cpus=cpus, gpus=gpus) for node in there)
    if not places:
        has = ", ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in there)
        raise StudyError(
            f"no node of the Ray cluster has room for a trial, which needs {cpus:g} CPUs and {gpus:g} GPUs "
            f"(resources.cpus_per_trial, gpus_per_trial). There is: {has}. If the cluster grows on demand, say how "
            "many trials at a time: --slots N."
        )
    return places
