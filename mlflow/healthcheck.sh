#!/bin/sh
# Healthy: the server finds an experiment. That takes the account database and the tracking database; MLflow's own
# /health says OK without either.
exec python - <<'PYTHON'
import base64
import os
import urllib.request
from pathlib import Path

password = Path(os.environ["MLFLOW_HEALTH_PASSWORD_FILE"]).read_text().strip()
request = urllib.request.Request(
    f"http://127.0.0.1:{os.environ['MLFLOW_PORT']}/api/2.0/mlflow/experiments/search?max_results=1",
    headers={"Authorization": "Basic " + base64.b64encode(f"sweep:{password}".encode()).decode()},
)
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=9) as answer:
    assert b"experiments" in answer.read()
PYTHON
