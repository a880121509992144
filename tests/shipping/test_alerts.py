"""The alert rules, by Prometheus' own tool: each fires for the fault that it is for, and none on a healthy server."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS

RULES = ROOT / "docs" / "alerts.yml"
PROMTOOL = shutil.which("promtool")
MINUTES = 20
# Series in Prometheus' own notation: from+step x samples, a sample a minute.
HEALTHY = {
    "niyosha_info": "1x20",
    "niyosha_ready": "1x20",
    "niyosha_recognizer_ready": "1x20",
    'niyosha_riva_server_usable{server="a"}': "1x20",
    "niyosha_database_up": "1x20",
    'niyosha_utterances_total{reason="endpoint"}': "0+600x20",
    'niyosha_utterances_total{reason="gap"}': "0+1x20",
    "niyosha_recognizer_streams_total": "0+600x20",
    'niyosha_recognizer_failures_total{stage="open"}': "0+1x20",
    'niyosha_final_seconds_bucket{le="0.5"}': "0+600x20",
    'niyosha_final_seconds_bucket{le="+Inf"}': "0+600x20",
    'niyosha_first_partial_seconds_bucket{le="0.5"}': "0+600x20",
    'niyosha_first_partial_seconds_bucket{le="+Inf"}': "0+600x20",
    'niyosha_refusals_total{reason="overloaded"}': "0x20",
    'niyosha_refusals_total{reason="forbidden"}': "0+1x20",
    'niyosha_http_requests_total{status="500"}': "0x20",
    'niyosha_streams_closed_total{cause="internal"}': "0x20",
    "niyosha_job_segments_waiting": "5x20",
    "niyosha_job_segments_in_work": "2x20",
    "process_open_fds": "100x20",
    "process_max_fds": "1024x20",
}
FAULTS = {
    "NiyoshaNotReady": {"niyosha_ready": "0x20"},
    "NiyoshaRecognizerDown": {"niyosha_recognizer_ready": "0x20"},
    "NiyoshaRivaServerUnusable": {'niyosha_riva_server_usable{server="a"}': "0x20"},
    "NiyoshaDatabaseDown": {"niyosha_database_up": "0x20"},
    "NiyoshaGaps": {'niyosha_utterances_total{reason="gap"}': "0+20x20"},
    "NiyoshaRecognizerFails": {'niyosha_recognizer_failures_total{stage="open"}': "0+60x20"},
    "NiyoshaFinalsLate": {
        'niyosha_final_seconds_bucket{le="0.5"}': "0+500x20",
        'niyosha_final_seconds_bucket{le="4"}': "0+600x20",
    },
    "NiyoshaTextLate": {
        'niyosha_first_partial_seconds_bucket{le="0.5"}': "0+500x20",
        'niyosha_first_partial_seconds_bucket{le="4"}': "0+600x20",
    },
    "NiyoshaRefuses": {'niyosha_refusals_total{reason="overloaded"}': "0+1x20"},
    "NiyoshaTokensRefused": {'niyosha_refusals_total{reason="forbidden"}': "0+120x20"},
    "NiyoshaFaults": {'niyosha_http_requests_total{status="500"}': "0+1x20"},
    "NiyoshaRecordingsWait": {"niyosha_job_segments_in_work": "0x20"},
    "NiyoshaDescriptors": {"process_open_fds": "1000x20"},
}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def on_one_server(name: str) -> str:
    """Return the name of a series with the label of a server."""
    metric, _, labels = name.rstrip("}").partition("{")
    return f'{metric}{{{labels}{"," if labels else ""}instance="one"}}'


def check(folder: Path, *arguments: str | Path) -> str:
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=STUCK_SECONDS, check=False
    )
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def test_every_alert_has_a_fault_that_it_is_tested_with() -> None:
    assert [rule["alert"] for rule in rules()] == list(FAULTS)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed; Debian has it in the package prometheus")
def test_the_rules_are_valid_and_each_fires_for_its_fault_alone(tmp_path: Path) -> None:
    assert not check(tmp_path, "check", "rules", RULES)
    tests = []
    for fault in [None, *FAULTS]:
        series = HEALTHY | (FAULTS[fault] if fault else {})
        tests.append(
            {
                "name": fault or "healthy",
                "interval": "1m",
                "input_series": [{"series": on_one_server(name), "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{MINUTES - 1}m",
                        "exp_samples": [{"labels": f'{{alertname="{fault}"}}', "value": 1}] if fault else [],
                    }
                ],
            }
        )
    written = {"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}
    (tmp_path / "alerts.test.yml").write_text(yaml.safe_dump(written))
    assert not check(tmp_path, "test", "rules", "alerts.test.yml")
