"""`niyosha bench` against real servers."""

import json
import shutil
from pathlib import Path

import pytest

from bench.load.command import BenchError, Load, run
from tests.support.places import CLIPS
from tests.support.ports import unused_port
from tests.support.sounds import clip_texts
from tests.support.tiers import IS_LONG
from web.cli.bench import bench


def quiet(_line: str) -> None:
    """Show no progress."""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A directory with one clip and its text."""
    shutil.copy(CLIPS / "yes.wav", tmp_path)
    (tmp_path / "manifest.tsv").write_text(f"file\ttext\nyes.wav\t{clip_texts()['yes.wav']}\n")
    return tmp_path


@pytest.mark.skipif(not IS_LONG, reason="it starts four servers; the test with a running server measures as well")
async def test_gateway_null_server_and_floors_are_measured() -> None:
    load = Load(streams=(2,), seconds=1.0, warm_up_seconds=0.5, has_floors=True, words_per_second=10.0)
    report = await run(load, quiet)
    assert [row.name for row in report.rows] == ["gateway", "null Riva, directly"]
    for row in report.rows:
        assert (row.refused, row.lost_streams, row.lost_words, row.doubled_words) == (0, 0, 0, 0)
        assert row.chunks > 0
        assert row.latencies_ms[0] > 0
        assert len(row.costs) == 1
    assert set(report.floors_us) == {"WebSocket echo", "detector", "gRPC stream"}
    assert all(report.floors_us.values())


async def test_a_running_server_is_measured_as_nvidia_does_with_its_words(
    server: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(server=server, streams=(1,), is_rivas_method=True, clips=clips)
    await bench(load, tmp_path / "result.json", tmp_path / "plot.svg")
    (row,) = json.loads((tmp_path / "result.json").read_text())["rows"]
    assert (row["refused"], row["lost_streams"], row["word_error_percent"]) == (0, 0, 0.0)
    assert row["final_ms"][0] > 0
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    assert row["name"] == server
    assert "NVIDIA's method" in capsys.readouterr().out


async def test_a_server_that_is_not_there_is_said() -> None:
    address = f"127.0.0.1:{unused_port()}"
    with pytest.raises(BenchError, match="refused all 2 streams"):
        await run(Load(server=f"http://{address}", streams=(2,), seconds=1.0), quiet)
    with pytest.raises(BenchError, match="refused all 2 streams"):
        await run(Load(riva=address, streams=(2,), seconds=1.0), quiet)


async def test_clips_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no WAV files"):
        await run(Load(clips=tmp_path), quiet)
