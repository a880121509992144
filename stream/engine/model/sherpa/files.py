"""Recognize what kind of model lies in a directory, by the names of its files and their metadata; pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Metadata = Mapping[str, str]
MODEL_SUFFIXES = (".onnx", ".ort")
TOKENS, TOKENIZER = "tokens", "tokenizer"


class Kind(Enum):
    """The kinds of models that are served; the value names one for people."""

    NEMO_CTC = "NeMo CTC"
    NEMO_TRANSDUCER = "NeMo transducer"
    TRANSDUCER = "transducer"
    SENSE_VOICE = "SenseVoice"
    MOONSHINE = "Moonshine"
    MOONSHINE_V2 = "Moonshine v2"
    WHISPER = "Whisper"
    STREAMING_NEMO_CTC = "streaming NeMo CTC"
    STREAMING_NEMO_TRANSDUCER = "streaming NeMo transducer"
    STREAMING_TRANSDUCER = "streaming transducer"
    STREAMING_ZIPFORMER_CTC = "streaming zipformer CTC"

    @property
    def is_streaming(self) -> bool:
        return self.name.startswith("STREAMING")


class UnknownModelError(Exception):
    """The files are no model that is served; the message says what is missing, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model's kind, the name of the file in each part of it, and the metadata of the part that has the settings."""

    kind: Kind
    parts: Mapping[str, str]
    metadata: Metadata

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the files with weights."""
        return tuple(name for name in self.parts.values() if name.endswith(MODEL_SUFFIXES))


# The names that exporters give to the parts: after a prefix and before a suffix, as in `tiny.en-encoder.int8.onnx` and
# `encoder-epoch-99-avg-1-chunk-16-left-128.onnx`; Moonshine's are whole names.
_ROLES = {
    "preprocessor": r"preprocess",
    "encode": r"encode",
    "uncached_decoder": r"uncached_decode",
    "cached_decoder": r"cached_decode",
    "merged_encoder": r"encoder_model",
    "merged_decoder": r"decoder_model_merged",
    "encoder": r"(?:.*[-_.])?encoder(?:[-_.].*)?",
    "decoder": r"(?:.*[-_.])?decoder(?:[-_.].*)?",
    "joiner": r"(?:.*[-_.])?joiner(?:[-_.].*)?",
}
_TOKENS_FILE = re.compile(r"(?:.*[-_.])?tokens\.txt")
_PRECISION = re.compile(r"[-_.](int8|quant|fp16|float16|fp32)(?=[-_.]|$)")
# Of several files of one part the first of these is taken: 8 bits are as accurate, and run at twice the speed.
_PREFERENCE = ("int8", "quant", "", "fp32", "fp16", "float16")

_NEMO_CACHES = tuple(f"cache_last_{part}_dim{number}" for part in ("channel", "time") for number in (1, 2, 3))
_PREDICTOR = ("pred_rnn_layers", "pred_hidden")
_ZIPFORMER2 = (
    *("encoder_dims", "query_head_dims", "value_head_dims", "num_heads", "num_encoder_layers", "cnn_module_kernels"),
    *("left_context_len", "T", "decode_chunk_len"),
)
# sherpa-onnx ends the process where one of these is missing, so that they are checked before.
_NEEDED_METADATA: Mapping[Kind, tuple[str, ...]] = {
    Kind.NEMO_CTC: ("vocab_size", "subsampling_factor"),
    Kind.NEMO_TRANSDUCER: ("vocab_size", "subsampling_factor", *_PREDICTOR),
    Kind.SENSE_VOICE: (
        *("vocab_size", "lfr_window_size", "lfr_window_shift", "normalize_samples", "with_itn", "without_itn"),
        *("lang_auto", "lang_zh", "lang_en", "lang_ja", "lang_ko", "lang_yue", "neg_mean", "inv_stddev"),
    ),
    Kind.WHISPER: (
        *("n_mels", "n_text_layer", "n_text_ctx", "n_text_state", "n_vocab", "sot", "eot", "blank_id", "translate"),
        *("transcribe", "is_multilingual", "no_timestamps", "no_speech", "sot_sequence"),
    ),
    Kind.STREAMING_NEMO_CTC: ("window_size", "chunk_shift", "subsampling_factor", "vocab_size", *_NEMO_CACHES),
    Kind.STREAMING_NEMO_TRANSDUCER: (
        *("window_size", "chunk_shift", "subsampling_factor", "vocab_size"),
        *(*_PREDICTOR, *_NEMO_CACHES),
    ),
    Kind.STREAMING_TRANSDUCER: ("model_type", "T", "decode_chunk_len"),
    Kind.STREAMING_ZIPFORMER_CTC: _ZIPFORMER2,
}
_STREAMING_TRANSDUCERS = ("conformer", "ebranchformer", "lstm", "zipformer", "zipformer2")
_MOONSHINE_PARTS = ("preprocessor", "encode", "uncached_decoder", "cached_decoder")
_MERGED_PARTS = ("merged_encoder", "merged_decoder")
_TRANSDUCER_PARTS = ("encoder", "decoder", "joiner")


def has_models(names: Sequence[str]) -> bool:
    """Whether there are any files of the formats that sherpa-onnx reads."""
    return any(name.endswith(MODEL_SUFFIXES) for name in names)


def recognize(names: Sequence[str], metadata_of: Callable[[str], Metadata]) -> ModelFiles:
    """Return what model the files of a directory are, given a reader of the metadata of an `.onnx` file.

    Raises UnknownModelError with what is missing, and what the reader raises.
    """
    parts = _parts(names)
    texts = _text_files(names)
    if found := [role for role in (*_MERGED_PARTS, *_MOONSHINE_PARTS) if role in parts]:
        kind = Kind.MOONSHINE_V2 if found[0] in _MERGED_PARTS else Kind.MOONSHINE
        needed = _MERGED_PARTS if kind is Kind.MOONSHINE_V2 else _MOONSHINE_PARTS
        _check_parts(kind.value, needed, parts)
        if TOKENIZER not in texts:
            _check_tokens(kind.value, texts)
        return ModelFiles(kind=kind, parts={role: parts[role] for role in needed} | texts, metadata={})
    settings_part = "encoder" if "encoder" in parts else "model"
    if "model" not in parts:
        _check_parts("transducer or Whisper", ("encoder", "decoder"), parts)
    metadata = metadata_of(parts[settings_part]) if parts[settings_part].endswith(".onnx") else {}
    kind = _kind_of_parts(parts, metadata)
    _check_tokens(kind.value, texts)
    missing = [key for key in _NEEDED_METADATA.get(kind, ()) if key not in metadata]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise UnknownModelError(
            f"{parts[settings_part]} lacks the metadata key{plural} {', '.join(missing)} of a {kind.value} model; "
            "export it again with sherpa-onnx's script for that model"
        )
    texts.pop(TOKENIZER, None)
    return ModelFiles(kind=kind, parts=parts | texts, metadata=metadata)


def _parts(names: Sequence[str]) -> dict[str, str]:
    """Return the file of each part; raises UnknownModelError if two files could be the same part."""
    files: dict[str, dict[str, list[str]]] = {}
    for name in sorted(names):
        if name.endswith(MODEL_SUFFIXES):
            stem = _PRECISION.sub("", name.rpartition(".")[0])
            role = next((role for role, pattern in _ROLES.items() if re.fullmatch(pattern, stem)), "model")
            files.setdefault(role, {}).setdefault(stem, []).append(name)
    if len(files) > 1:
        files.pop("model", None)  # another model of the same release, such as a voice activity detector
    for role, stems in files.items():
        if len(stems) > 1:
            first, second = (variants[0] for variants in list(stems.values())[:2])
            raise UnknownModelError(
                f"{first} and {second} could both be its {role.replace('_', ' ')}; keep one model in a directory"
            )
    return {role: min(next(iter(stems.values())), key=_rank) for role, stems in files.items()}


def _rank(name: str) -> tuple[bool, int, str]:
    found = _PRECISION.search(name)
    return name.endswith(".ort"), _PREFERENCE.index(found[1] if found else ""), name


def _text_files(names: Sequence[str]) -> dict[str, str]:
    tokens = next((name for name in sorted(names) if _TOKENS_FILE.fullmatch(name)), None)
    found = {TOKENS: tokens, TOKENIZER: "tokenizer.bin" if "tokenizer.bin" in names else None}
    return {part: name for part, name in found.items() if name is not None}


def _kind_of_parts(parts: Mapping[str, str], metadata: Metadata) -> Kind:
    if "model" in parts:
        return _kind_of_single(parts["model"], metadata)
    if "joiner" in parts:
        _check_parts("transducer", _TRANSDUCER_PARTS, parts)
        return _kind_of_transducer(parts["encoder"], metadata)
    if metadata.get("model_type", "").startswith("whisper") or "sot_sequence" in metadata:
        return Kind.WHISPER
    raise UnknownModelError(
        f"it has {parts['encoder']} and {parts['decoder']}, which are no Whisper model, "
        "and no joiner as a transducer has; a joiner.onnx is missing"
    )


def _kind_of_single(name: str, metadata: Metadata) -> Kind:
    model_type = metadata.get("model_type", "")
    if "chunk_shift" in metadata or any(key in metadata for key in _NEMO_CACHES):
        return Kind.STREAMING_NEMO_CTC
    if model_type.startswith("sense_voice") or "lang_auto" in metadata:
        return Kind.SENSE_VOICE
    if model_type.startswith("EncDec") or {"normalize_type", "subsampling_factor"} <= metadata.keys():
        return Kind.NEMO_CTC
    if model_type == "zipformer2":
        return Kind.STREAMING_ZIPFORMER_CTC
    found = f"whose metadata says model_type {model_type}" if model_type else "whose metadata names no model_type"
    raise UnknownModelError(
        f"{name}, {found}, is none of the models that are served: NeMo CTC, SenseVoice and zipformer2 CTC"
    )


def _kind_of_transducer(encoder: str, metadata: Metadata) -> Kind:
    is_nemo = any(key in metadata for key in _PREDICTOR)
    if is_nemo:
        is_streaming = "chunk_shift" in metadata or any(key in metadata for key in _NEMO_CACHES)
        return Kind.STREAMING_NEMO_TRANSDUCER if is_streaming else Kind.NEMO_TRANSDUCER
    model_type = metadata.get("model_type", "")
    if "decode_chunk_len" not in metadata:
        if not model_type:
            raise UnknownModelError(
                f"the metadata of {encoder} names no model_type; export it again with sherpa-onnx's script"
            )
        return Kind.TRANSDUCER
    if model_type in _STREAMING_TRANSDUCERS:
        return Kind.STREAMING_TRANSDUCER
    raise UnknownModelError(
        f"the metadata of {encoder} says model_type {model_type or 'nothing'}; streaming transducers are "
        f"{', '.join(_STREAMING_TRANSDUCERS)}"
    )


def _check_parts(kind: str, needed: Sequence[str], parts: Mapping[str, str]) -> None:
    missing = [role for role in needed if role not in parts]
    if missing:
        named = " and no ".join(_FILE_OF[role] for role in missing)
        raise UnknownModelError(f"it has no {named}, which a {kind} model needs")


_FILE_OF = {
    "preprocessor": "preprocess.onnx",
    "encode": "encode.onnx",
    "uncached_decoder": "uncached_decode.onnx",
    "cached_decoder": "cached_decode.onnx",
    "merged_encoder": "encoder_model.ort",
    "merged_decoder": "decoder_model_merged.ort",
    "encoder": "encoder.onnx",
    "decoder": "decoder.onnx",
    "joiner": "joiner.onnx",
}


def _check_tokens(kind: str, texts: Mapping[str, str]) -> None:
    if TOKENS not in texts:
        raise UnknownModelError(f"it has no tokens.txt, which a {kind} model needs")
