import math

import grpc
import pytest

from tests.hostile.riva.faults import (
    KINDS,
    RETRYABLE,
    Abort,
    At,
    Freeze,
    Late,
    NeverFinal,
    Spaces,
    dumps,
    faults,
    loads,
)


def test_a_seed_replays_its_script() -> None:
    assert faults(7, 100) == faults(7, 100)
    assert faults(7, 100) != faults(8, 100)
    assert len(faults(7, 100)) == 100


def test_a_script_mixes_all_kinds_with_calls_that_behave() -> None:
    script = faults(1, 60)
    assert {type(entry) for entry in script} == {*KINDS, type(None)}


def test_all_points_and_codes_come_up() -> None:
    aborts = [entry for entry in faults(1, 500, kinds=[Abort], behaving=0) if isinstance(entry, Abort)]
    assert len(aborts) == 500
    assert {abort.at for abort in aborts} == set(At)
    assert {abort.code for abort in aborts} == set(RETRYABLE)
    assert all((abort.pushback_ms is None) == (abort.code.name != "RESOURCE_EXHAUSTED") for abort in aborts)


def test_a_script_can_be_kept_from_hanging() -> None:
    script = faults(1, 100, kinds=[Freeze, NeverFinal], freeze_seconds=0.5)
    assert {entry.seconds for entry in script if isinstance(entry, Freeze)} == {0.5}
    assert all(entry.ends for entry in script if isinstance(entry, NeverFinal))


@pytest.mark.parametrize("seed", range(5))
def test_a_script_survives_being_written_down(seed: int) -> None:
    script = [*faults(seed, 50), (Late(0.5), Spaces()), Abort(code=grpc.StatusCode.DATA_LOSS), Freeze(seconds=math.inf)]
    assert [entry if entry is None or isinstance(entry, tuple) else (entry,) for entry in script] == loads(
        dumps(script)
    )
