"""Build sherpa-onnx's recognizers from the files of a model."""

from pathlib import Path
from typing import Any

from stream.engine.model.sherpa.files import TOKENS, Kind, ModelFiles
from stream.lazy_import import lazy_import

# The import takes 0.1 s and 15 MB, which only these models need.
sherpa_onnx: Any = lazy_import("sherpa_onnx")

# One thread for a decode, as for all models of the engine: several would compete for the cores.
_THREADS = 1
_FEATURES = 80


def offline_recognizer(files: ModelFiles, directory: Path, tokens: Path, provider: str, language: str) -> Any:
    """Return a recognizer of complete audio; `language` is one of the model's, or "" to detect it.

    Raises RuntimeError for weights that ONNX Runtime cannot load.
    """
    paths = _paths(files, directory)
    common = {"tokens": str(tokens), "num_threads": _THREADS, "provider": provider}
    build = sherpa_onnx.OfflineRecognizer
    match files.kind:
        case Kind.NEMO_CTC:
            return build.from_nemo_ctc(model=paths["model"], **common)
        case Kind.NEMO_TRANSDUCER | Kind.TRANSDUCER:
            model_type = "nemo_transducer" if files.kind is Kind.NEMO_TRANSDUCER else "transducer"
            return build.from_transducer(**_transducer(paths), model_type=model_type, **common)
        case Kind.SENSE_VOICE:
            return build.from_sense_voice(model=paths["model"], language=language, use_itn=True, **common)
        case Kind.MOONSHINE:
            return build.from_moonshine(
                preprocessor=paths["preprocessor"],
                encoder=paths["encode"],
                uncached_decoder=paths["uncached_decoder"],
                cached_decoder=paths["cached_decoder"],
                **common,
            )
        case Kind.MOONSHINE_V2:
            return build.from_moonshine_v2(encoder=paths["merged_encoder"], decoder=paths["merged_decoder"], **common)
        case Kind.WHISPER:
            return build.from_whisper(encoder=paths["encoder"], decoder=paths["decoder"], language=language, **common)
    raise ValueError(f"{files.kind.value} is a kind of streaming model")


def online_recognizer(files: ModelFiles, directory: Path, tokens: Path, provider: str) -> Any:
    """Return a recognizer of growing audio; raises RuntimeError for weights that ONNX Runtime cannot load.

    The engine finds the endpoints, so that its own are off.
    """
    paths = _paths(files, directory)
    common = {"tokens": str(tokens), "num_threads": _THREADS, "feature_dim": _FEATURES, "provider": provider}
    build = sherpa_onnx.OnlineRecognizer
    match files.kind:
        case Kind.STREAMING_NEMO_CTC:
            return build.from_nemo_ctc(model=paths["model"], **common)
        case Kind.STREAMING_ZIPFORMER_CTC:
            return build.from_zipformer2_ctc(model=paths["model"], **common)
        case Kind.STREAMING_TRANSDUCER | Kind.STREAMING_NEMO_TRANSDUCER:
            # Without the type the model would be loaded twice to find it.
            is_nemo = files.kind is Kind.STREAMING_NEMO_TRANSDUCER
            model_type = "" if is_nemo else files.metadata["model_type"]
            return build.from_transducer(**_transducer(paths), model_type=model_type, **common)
    raise ValueError(f"{files.kind.value} is no kind of streaming model")


def _paths(files: ModelFiles, directory: Path) -> dict[str, str]:
    return {part: str(directory / name) for part, name in files.parts.items() if part != TOKENS}


def _transducer(paths: dict[str, str]) -> dict[str, str]:
    return {part: paths[part] for part in ("encoder", "decoder", "joiner")}
