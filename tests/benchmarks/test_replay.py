"""The benchmark of recordings runs, and prints what it promises; its figures are for a quiet machine."""

import json
import subprocess
import sys

from tests.paths import REPO


def test_it_prints_one_json_object() -> None:
    command = [sys.executable, "benchmarks/replay.py", "300", "1"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=True)
    result = json.loads(done.stdout)
    assert result["broker"] in {"mosquitto", "iotcore"}
    assert (result["messages"], result["payload_bytes"], result["runs"]) == (300, 300, 1)
    rates = {name: value for name, value in result.items() if name.endswith("_per_s")}
    assert len(rates) == 10
    assert min(rates.values()) > 0
    assert min(result["ratio"], result["record_ratio"]) > 0
