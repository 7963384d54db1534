"""Trials on Ray: nothing is lost with a worker, and what cannot work is told at once and plainly."""

import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fer_sweep.data import Samples
from fer_sweep.data.cache import Cache
from fer_sweep.errors import StudyError
from fer_sweep.execution.dispatch import Dispatch
from fer_sweep.execution.executor import Progress, WorkerLost
from fer_sweep.execution.inline import Inline
from fer_sweep.execution.opening import open_executor, require_executor
from fer_sweep.spec.search import Resources
from fer_sweep.training.records import TrialFailure
from tests.data.picture_folders import load, pictures
from tests.execution.trials import LONG, SAMPLES, SPLIT, requests, results, run
from tests.study.studies import CPU, sweep

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'fer-sweep[ray]'")

from fer_sweep.execution import ray_cluster, ray_samples, ray_slot  # noqa: E402
from fer_sweep.execution.ray_pool import RayPool  # noqa: E402
from fer_sweep.execution.ray_samples import SentSamples, on_this_node  # noqa: E402
from fer_sweep.execution.ray_slot import Berth, RaySlot  # noqa: E402


@pytest.fixture(scope="module")
def ray_pool() -> Iterator[RayPool]:
    resources = Resources(executor="ray", slots=2, device="cpu", ray_address="local")
    with RayPool(SAMPLES, resources) as opened:
        yield opened


def workers() -> list[psutil.Process]:
    """The actors' processes."""
    every = psutil.Process().children(recursive=True)
    return [process for process in every if "ray::RayWorker" in " ".join(process.cmdline())]


def settled(slot: RaySlot) -> None:
    deadline = time.monotonic() + 60
    while not slot.ready:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- losses -----------------------------------------------------------------------------------------------------------


def test_trials_of_a_killed_worker_run_again_and_end_as_they_would_have(ray_pool: RayPool, tmp_path: Path) -> None:
    spec = sweep(train={"epochs": 8000, "learning_rate": 0.001})  # not over before the worker is killed
    alone = results(run(Inline(SAMPLES, CPU), requests(4, spec), tmp_path / "alone"))
    seen: list[Progress] = []
    with closing(ray_pool.run(requests(4, spec), SPLIT, folder=tmp_path)) as records:
        for record in records:
            if not seen:
                workers()[0].kill()
            seen.append(record)

    lost = [record for record in seen if isinstance(record, WorkerLost)]
    assert len({record.trial for record in lost}) == len(lost) == 2
    assert {record.why for record in lost} == {
        f"its worker on {socket.gethostname()} is gone: its process ended (was there too little memory?)"
    }
    assert [record for record in seen if isinstance(record, TrialFailure)] == []
    found = results(seen)
    assert set(found) == set(range(4))
    for number, result in alone.items():
        for network, other in zip(result.networks, found[number].networks, strict=True):
            assert other.test_probabilities == pytest.approx(network.test_probabilities, rel=1e-5)


# -- what arrives on a node -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def berth(ray_pool: RayPool) -> Berth:
    """For slots beside those of the pool."""
    return Berth(SentSamples(SAMPLES), "cpu", 0.0, 0.0, coordinator=ray.get_runtime_context().get_node_id())


def test_a_stuck_trial_is_ended(berth: Berth, tmp_path: Path) -> None:
    with closing(Dispatch([RaySlot(berth)], RaySlot.heard, trial_timeout=2.0)) as dispatch:
        records = list(dispatch.run(requests(1, LONG), SPLIT, folder=tmp_path))

    (failed,) = [record for record in records if isinstance(record, TrialFailure)]
    assert (failed.kind, failed.message) == ("timeout", "resources.trial_timeout: it took more than 2 seconds")


def test_a_node_with_another_version_is_named(berth: Berth, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = RaySlot(berth)
    monkeypatch.setattr(ray_slot, "__version__", "99.0")

    with pytest.raises(StudyError) as caught:
        settled(slot)

    slot.empty()
    assert "has fer-sweep 0.1.0, but this is 99.0. All nodes of the Ray cluster need the same" in str(caught.value)


def test_samples_that_differ_are_noticed(berth: Berth, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = RaySlot(berth)
    monkeypatch.setattr(berth.samples, "fingerprint", "0" * 16)

    with pytest.raises(StudyError, match=f"has other samples \\({SAMPLES.fingerprint} instead of 0000"):
        settled(slot)

    slot.empty()


def test_a_worker_that_cannot_start_is_explained(berth: Berth) -> None:
    slot = RaySlot(replace(berth, device="cuda"))

    with pytest.raises(StudyError) as caught:
        settled(slot)

    assert str(caught.value) == (
        "a worker did not start on the Ray cluster: fer_sweep.errors.StudyError: Ray gives it a GPU, but PyTorch sees "
        "none: it has to be a build for CUDA. Every node needs fer-sweep 0.1.0 in the Python environment that "
        "Ray runs in (pip install 'fer-sweep[ray]'), and memory for the samples."
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Samples:
    """Samples of picture files, seen from a node where those files are not."""
    monkeypatch.setattr(ray_samples, "node_folder", lambda: tmp_path / "node")
    samples = load(pictures(tmp_path / "faces", ["happy/1.png", "happy/2.png", "sad/3.png", "sad/4.png"]))
    return replace(samples, x=replace(samples.pictures, cache=Cache(tmp_path / "gone" / "cache")))


def test_files_that_are_where_they_should_be_are_read_there(elsewhere: Samples) -> None:
    found = on_this_node(elsewhere, None)

    assert found is not None
    assert found.pictures.sources == elsewhere.pictures.sources
    assert found.pictures.cache is not None
    assert found.pictures.cache.folder == ray_samples.node_folder() / "cache"


def test_files_that_are_missing_or_others_are_sent(elsewhere: Samples, tmp_path: Path) -> None:
    contents = [source.read_bytes() for source in elsewhere.pictures.sources if isinstance(source, Path)]
    expected = elsewhere.pictures.pixels(8)
    (tmp_path / "faces/happy/1.png").write_bytes(contents[1])
    assert on_this_node(elsewhere, None) is None
    shutil.rmtree(tmp_path / "faces")
    assert on_this_node(elsewhere, None) is None

    found = on_this_node(elsewhere, contents)

    assert found is not None
    assert found.fingerprint == elsewhere.fingerprint
    assert (found.pictures.pixels(8) == expected).all()


# -- clusters that cannot be joined -----------------------------------------------------------------------------------


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("fer_sweep.execution.ray_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(StudyError) as caught:
        require_executor(Resources(executor="ray"))

    assert str(caught.value) == (
        "resources.executor: ray, but Ray is not installed here. Install it: pip install 'fer-sweep[ray]'"
    )


def test_a_cluster_that_is_not_there_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    begun = time.monotonic()

    with pytest.raises(StudyError) as caught:
        open_executor(Resources(executor="ray"), SAMPLES)

    assert time.monotonic() - begun < 10
    assert str(caught.value).startswith(f"there is no Ray cluster at {address}: Connection refused. Is `ray start")


def test_what_is_not_ray_is_told_from_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StudyError, match=f"what answers at {address} is not Ray"):
            ray_cluster.require_reachable(address)
        thread.join()


def test_a_real_cluster_is_reachable(ray_pool: RayPool) -> None:
    ray_cluster.require_reachable(ray.get_runtime_context().gcs_address)


def test_no_cluster_on_this_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray._private.services, "find_gcs_addresses", set)
    monkeypatch.setattr(ray._private.services, "find_bootstrap_address", lambda _: None)

    with pytest.raises(StudyError) as caught:
        require_executor(Resources(executor="ray", ray_address="auto"))

    assert str(caught.value) == "there is no Ray cluster on this machine to join. Start one: ray start --head"


def test_another_version_of_ray_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        ray._private.utils.check_version_info({"ray_version": "2.0.0", "python_version": "3.8.1"}, "node here")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "shutdown", lambda: None)

    with pytest.raises(StudyError) as caught, ray_cluster.connected("local", held=0):
        raise AssertionError("connected")

    assert str(caught.value).startswith(
        "the Ray cluster at local runs other versions. Version mismatch: The cluster was started with: Ray: 2.0.0 "
        "Python: 3.8.1 This process on node here was started with: Ray: "
    )


def test_a_machine_outside_the_cluster_is_told_how_to_join() -> None:
    message = ray_cluster.refusal("10.0.0.1:6379", RuntimeError("No node info found"))

    assert message == (
        "this machine cannot join the Ray cluster at 10.0.0.1:6379: No node info found. fer-sweep has to run on a node "
        "of the cluster; `ray start --address=10.0.0.1:6379 --num-cpus=0` makes this machine one on which no trial "
        "runs."
    )


def test_a_cluster_that_wants_a_token_is_told() -> None:
    message = ray_cluster.refusal("10.0.0.1:6379", RuntimeError("RPC error: InvalidAuthToken: missing or incorrect"))

    assert message == (
        "the Ray cluster at 10.0.0.1:6379 wants a token, and has not been given the right one. Set RAY_AUTH_MODE=token "
        "and RAY_AUTH_TOKEN_PATH to the file with the cluster's token."
    )


@pytest.mark.parametrize(
    ("wanted", "environment", "meant"),
    [
        (None, None, "local"),
        (None, "10.0.0.1:6379", "10.0.0.1:6379"),
        ("auto", "10.0.0.1:6379", "10.0.0.1:6379"),
        ("auto", None, "auto"),
        ("local", "10.0.0.1:6379", "local"),
        ("10.0.0.2:6379", "10.0.0.1:6379", "10.0.0.2:6379"),
    ],
)
def test_the_address_is_found_as_ray_finds_it(
    wanted: str | None, environment: str | None, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)

    assert ray_cluster.address_of(wanted) == meant


def test_a_wrong_address_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")

    with pytest.raises(StudyError, match=r"RAY_ADDRESS: 'ray://10.0.0.1:10001' speaks through Ray's client, but"):
        ray_cluster.address_of(None)


# -- room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"), [(1.0, 0.0, 12), (0.5, 0.0, 24), (3.0, 0.0, 3), (1.0, 0.5, 4), (4.0, 1.0, 2)]
)
def test_slots_are_as_many_as_the_nodes_have_room_for(cpus: float, gpus: float, slots: int) -> None:
    there = [ray_cluster.Node(8.0, 2.0), ray_cluster.Node(4.0, 0.0)]

    assert ray_cluster.room(there, cpus=cpus, gpus=gpus) == slots


def test_a_cluster_without_room_is_explained() -> None:
    with pytest.raises(StudyError) as caught:
        ray_cluster.room([ray_cluster.Node(2.0, 0.0)], cpus=1.0, gpus=0.5)

    assert str(caught.value) == (
        "no node of the Ray cluster has room for a trial, which needs 1 CPUs and 0.5 GPUs (resources.cpus_per_trial, "
        "gpus_per_trial). There is: 2 CPUs and 0 GPUs. If the cluster grows on demand, say how many trials at a time: "
        "--slots N."
    )


def test_cuda_without_a_gpu_in_the_cluster_is_explained() -> None:
    with pytest.raises(StudyError, match=r"resources\.device: cuda, but no node of the Ray cluster has a GPU"):
        ray_cluster.device_of(Resources(executor="ray", device="cuda"), [ray_cluster.Node(2.0, 0.0)])
