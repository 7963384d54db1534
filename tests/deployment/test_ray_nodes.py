"""The commands and health checks of ray-head and ray-worker, and how `sweep` joins them, outside Docker."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.deployment.services import Machine, new_machine

pytest.importorskip("ray", reason="Ray is an extra")

DRIVER = """#!{python}
import json, os, sys, warnings
warnings.simplefilter("ignore")
import ray
ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="error")
answer = ray.get(ray.remote(num_cpus=1)(lambda: 6 * 7).remote(), timeout=60)
cpus = sorted(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
print(json.dumps({{"arguments": sys.argv[1:], "answer": answer, "cpus": cpus}}))
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with new_machine() as machine:
        try:
            yield machine
        finally:  # the driver's node ends with its container; here it has none
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    if str(machine.folder) in " ".join(process.cmdline()):
                        process.kill()


def test_a_worker_and_a_sweep_join_the_head_and_nobody_without_the_token(machine: Machine) -> None:
    with machine.up("ray-head"), machine.up("ray-worker", RAY_WORKER_CPUS="1"):
        stranger = {"RAY_AUTH_TOKEN_PATH": str(machine.secrets / "mlflow_secret_key")}
        check = ["ray", "health-check", "--address", machine.environment("ray-head")["RAY_ADDRESS"]]
        environment = {**machine.environment("ray-head"), **stranger}
        refused = subprocess.run(check, env=environment, capture_output=True, text=True, check=False)
        assert "InvalidAuthToken" in refused.stderr

        fer_sweep = machine.folder / "bin" / "deploy" / "fer-sweep"  # in the place of the real one
        fer_sweep.write_text(DRIVER.format(python=sys.executable))
        fer_sweep.chmod(0o755)
        joined = machine.run("sweep", "run", "x.yaml", "--executor", "ray")

        assert joined.returncode == 0, joined.stderr
        assert json.loads(joined.stdout.splitlines()[-1]) == {
            "arguments": ["run", "x.yaml", "--executor", "ray"],
            "answer": 42,
            "cpus": [0, 0, 1],
        }
