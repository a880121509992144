"""The device of a model: where its library can run, and what is done and logged when a GPU cannot be used."""

import pytest
from structlog.testing import capture_logs

from stream.engine.model.devices import (
    CPU,
    Device,
    Placement,
    loaded,
    place_sherpa,
    place_whisper,
    sherpa_placement,
    whisper_placement,
)
from stream.engine.model.models import load_models
from stream.engine.model.protocols import ModelError

GPU = Placement(name="cuda", compute_type="float16")


@pytest.mark.parametrize("wanted", [Device.AUTO, Device.CUDA])
@pytest.mark.parametrize(
    ("supported", "compute_type"),
    [
        ({"float32", "float16", "int8", "int8_float16", "int8_float32"}, "float16"),
        ({"float32", "int8_float32"}, "int8_float32"),
        ({"float32"}, "float32"),
    ],
)
def test_whisper_takes_a_gpu_in_the_best_type_that_it_has(
    wanted: Device, supported: set[str], compute_type: str
) -> None:
    assert place_whisper(wanted, 1, lambda: supported) == Placement(name="cuda", compute_type=compute_type)


def test_whisper_runs_on_the_cpu_where_there_is_no_gpu_or_none_is_wanted() -> None:
    assert place_whisper(Device.CPU, 1, lambda: {"float16"}) == CPU
    assert place_whisper(Device.AUTO, 0, set).name == "cpu"
    assert place_whisper(Device.CUDA, 1, set).reason.startswith("the GPU computes in none of float16, ")


def test_sherpa_takes_a_gpu_with_its_package_for_cuda_only() -> None:
    assert place_sherpa(Device.AUTO, 1, "2.0.1+cuda12").name == "cuda"
    assert place_sherpa(Device.CPU, 1, "2.0.1+cuda12") == CPU
    assert place_sherpa(Device.CUDA, 0, "2.0.1+cuda12").reason == "there is no GPU with CUDA"
    assert place_sherpa(Device.CUDA, 1, "2.0.1").reason == (
        "sherpa-onnx 2.0.1 is built for the CPU; install its package for CUDA"
    )


def test_on_this_machine_both_have_a_placement() -> None:
    for wanted in Device:
        assert {whisper_placement(wanted).name, sherpa_placement(wanted).name} <= {"cpu", "cuda"}


def test_a_gpu_that_cannot_be_used_after_all_is_replaced_by_the_cpu_with_one_line() -> None:
    def load(placement: Placement) -> str:
        if placement is GPU:
            raise RuntimeError("Library libcublas.so.12 is not found\nmore")
        return placement.name

    with capture_logs() as logs:
        assert loaded("tones", Device.AUTO, GPU, load) == "cpu"
    assert logs == [
        {
            "event": "engine_on_cpu",
            "log_level": "warning",
            "model": "tones",
            "wanted": "auto",
            "reason": "Library libcublas.so.12 is not found",
        }
    ]


@pytest.mark.parametrize(("wanted", "lines"), [(Device.AUTO, 0), (Device.CPU, 0), (Device.CUDA, 1)])
def test_a_missing_gpu_is_logged_only_if_it_was_wanted(wanted: Device, lines: int) -> None:
    with capture_logs() as logs:
        assert loaded("tones", wanted, Placement(reason="there is no GPU"), lambda place: place.name) == "cpu"
    assert len(logs) == lines


def test_a_model_that_cannot_be_loaded_anywhere_is_an_error() -> None:
    def load(placement: Placement) -> str:
        raise ModelError(f"no {placement.name}")

    with capture_logs() as logs, pytest.raises(ModelError, match="no cpu"):
        loaded("tones", Device.AUTO, GPU, load)
    assert logs == []


def test_the_bundled_model_is_loaded_on_the_cpu_of_a_machine_without_a_gpu() -> None:
    if whisper_placement(Device.CUDA).name == "cuda":
        pytest.skip("this machine has a GPU")
    with capture_logs() as logs:
        (model,) = load_models([], 1, Device.CUDA)
    assert model.name == "whisper-tiny.en"
    assert [(one["event"], one["reason"]) for one in logs] == [("engine_on_cpu", "CTranslate2 finds no GPU with CUDA")]
