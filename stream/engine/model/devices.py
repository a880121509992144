"""Choose the device on which models run: a GPU by CUDA where there is one, else the CPU."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from typing import TypeVar

import ctranslate2
import structlog

T = TypeVar("T")
# What a GPU computes in, the best one first: half precision needs one from 2016 on.
_CUDA_COMPUTE_TYPES = ("float16", "int8_float32", "float32")
_CPU_COMPUTE_TYPE = "int8"
_CUDA_BUILD = "+cuda"  # sherpa-onnx's packages for CUDA have it in their version
_log = structlog.get_logger()


class Device(Enum):
    """What is wanted: `AUTO` takes a GPU if it can be used, `CUDA` too and says why it cannot."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a model runs, as its library names it; `compute_type` is CTranslate2's, `reason` why it is not a GPU."""

    name: str = "cpu"
    compute_type: str = _CPU_COMPUTE_TYPE
    reason: str = ""


CPU = Placement()


def place_whisper(wanted: Device, n_gpus: int, compute_types: Callable[[], Collection[str]]) -> Placement:
    """Return where CTranslate2 runs; `compute_types` are asked for if there is a GPU."""
    if wanted is Device.CPU:
        return CPU
    if not n_gpus:
        return Placement(reason="CTranslate2 finds no GPU with CUDA")
    supported = compute_types()
    compute_type = next((one for one in _CUDA_COMPUTE_TYPES if one in supported), None)
    if compute_type is None:
        return Placement(reason=f"the GPU computes in none of {', '.join(_CUDA_COMPUTE_TYPES)}")
    return Placement(name="cuda", compute_type=compute_type)


def place_sherpa(wanted: Device, n_gpus: int, version: str) -> Placement:
    """Return where sherpa-onnx of a version runs: the package of the registry is for the CPU only."""
    if wanted is Device.CPU:
        return CPU
    if not n_gpus:
        return Placement(reason="there is no GPU with CUDA")
    if _CUDA_BUILD not in version:
        return Placement(reason=f"sherpa-onnx {version} is built for the CPU; install its package for CUDA")
    return Placement(name="cuda")


def whisper_placement(wanted: Device) -> Placement:
    """Return where CTranslate2 runs on this machine."""
    return place_whisper(
        wanted, ctranslate2.get_cuda_device_count(), lambda: ctranslate2.get_supported_compute_types("cuda")
    )


def sherpa_placement(wanted: Device) -> Placement:
    """Return where sherpa-onnx runs on this machine."""
    return place_sherpa(wanted, ctranslate2.get_cuda_device_count(), metadata.version("sherpa-onnx"))


def loaded(name: str, wanted: Device, placement: Placement, load: Callable[[Placement], T]) -> T:
    """Load a model where it is placed, on the CPU if the GPU cannot be used after all.

    One line is logged for a model that runs on the CPU although a GPU was wanted, or is there. Raises what `load`
    raises on the CPU.
    """
    reason = placement.reason if wanted is Device.CUDA else ""
    if placement.name != CPU.name:
        try:
            return load(placement)
        except Exception as error:  # the libraries raise RuntimeError, and loaders turn it into errors of their own
            reason = (str(error).splitlines() or [type(error).__name__])[0]
    model = load(CPU)
    if reason:
        _log.warning("engine_on_cpu", model=name, wanted=wanted.value, reason=reason)
    return model
