from collections.abc import Mapping

import pytest

from stream.engine.model.sherpa.files import Kind, UnknownModelError, has_models, recognize

NEMO_CTC = {"model_type": "EncDecCTCModelBPE", "vocab_size": "1024", "subsampling_factor": "8", "normalize_type": ""}
PREDICTOR = {"pred_rnn_layers": "1", "pred_hidden": "640"}
NEMO_TRANSDUCER = NEMO_CTC | PREDICTOR | {"model_type": "EncDecRNNTBPEModel"}
CACHES = {f"cache_last_{part}_dim{number}": "1" for part in ("channel", "time") for number in (1, 2, 3)}
STREAMING = {"window_size": "17", "chunk_shift": "8"} | CACHES
ZIPFORMER = {"model_type": "zipformer2", "T": "45", "decode_chunk_len": "32"} | dict.fromkeys(
    (
        *("encoder_dims", "query_head_dims", "value_head_dims", "num_heads"),
        *("num_encoder_layers", "cnn_module_kernels", "left_context_len"),
    ),
    "1",
)
LANGUAGES = dict.fromkeys(("lang_auto", "lang_zh", "lang_en", "lang_ja", "lang_ko", "lang_yue"), "0")
SENSE_VOICE = LANGUAGES | dict.fromkeys(
    (
        *("vocab_size", "lfr_window_size", "lfr_window_shift", "normalize_samples", "with_itn", "without_itn"),
        *("neg_mean", "inv_stddev"),
    ),
    "0",
)
WHISPER = {"model_type": "whisper-tiny.en"} | dict.fromkeys(
    (
        *("n_mels", "n_text_layer", "n_text_ctx", "n_text_state", "n_vocab", "sot", "eot", "blank_id", "translate"),
        *("transcribe", "is_multilingual", "no_timestamps", "no_speech", "sot_sequence"),
    ),
    "0",
)
TRANSDUCER = ("encoder.onnx", "decoder.onnx", "joiner.onnx")
EPOCH = "epoch-99-avg-1-chunk-16-left-128"


@pytest.mark.parametrize(
    ("names", "metadata", "kind", "weights"),
    [
        (["model.onnx"], NEMO_CTC, Kind.NEMO_CTC, ["model.onnx"]),
        (["model.onnx", "model.int8.onnx"], NEMO_CTC, Kind.NEMO_CTC, ["model.int8.onnx"]),
        (["model.onnx"], {**NEMO_CTC, "model_type": "", "is_giga_am": "1"}, Kind.NEMO_CTC, ["model.onnx"]),
        (TRANSDUCER, NEMO_TRANSDUCER, Kind.NEMO_TRANSDUCER, TRANSDUCER),
        (TRANSDUCER, {"model_type": "zipformer2"}, Kind.TRANSDUCER, TRANSDUCER),
        (["model.int8.onnx"], SENSE_VOICE, Kind.SENSE_VOICE, ["model.int8.onnx"]),
        (
            ["tiny.en-encoder.int8.onnx", "tiny.en-encoder.onnx", "tiny.en-decoder.int8.onnx", "tiny.en-decoder.onnx"],
            WHISPER,
            Kind.WHISPER,
            ["tiny.en-encoder.int8.onnx", "tiny.en-decoder.int8.onnx"],
        ),
        (["model.onnx"], NEMO_CTC | STREAMING, Kind.STREAMING_NEMO_CTC, ["model.onnx"]),
        (TRANSDUCER, NEMO_TRANSDUCER | STREAMING, Kind.STREAMING_NEMO_TRANSDUCER, TRANSDUCER),
        (
            [
                f"encoder-{EPOCH}.int8.onnx",
                f"decoder-{EPOCH}.onnx",
                f"joiner-{EPOCH}.int8.onnx",
                f"joiner-{EPOCH}.onnx",
            ],
            ZIPFORMER,
            Kind.STREAMING_TRANSDUCER,
            [f"encoder-{EPOCH}.int8.onnx", f"decoder-{EPOCH}.onnx", f"joiner-{EPOCH}.int8.onnx"],
        ),
        (TRANSDUCER, {"model_type": "lstm", "T": "9", "decode_chunk_len": "4"}, Kind.STREAMING_TRANSDUCER, TRANSDUCER),
        ([f"ctc-{EPOCH}.int8.onnx"], ZIPFORMER, Kind.STREAMING_ZIPFORMER_CTC, [f"ctc-{EPOCH}.int8.onnx"]),
        (
            ["preprocess.onnx", "encode.int8.onnx", "uncached_decode.int8.onnx", "cached_decode.int8.onnx"],
            {},
            Kind.MOONSHINE,
            ["preprocess.onnx", "encode.int8.onnx", "uncached_decode.int8.onnx", "cached_decode.int8.onnx"],
        ),
        (
            ["encoder_model.ort", "decoder_model_merged.ort"],
            {},
            Kind.MOONSHINE_V2,
            ["encoder_model.ort", "decoder_model_merged.ort"],
        ),
        # A voice activity detector often lies beside a model.
        ([*TRANSDUCER, "silero_vad.onnx"], NEMO_TRANSDUCER, Kind.NEMO_TRANSDUCER, TRANSDUCER),
    ],
)
def test_the_files_of_a_release_are_recognized(
    names: list[str], metadata: Mapping[str, str], kind: Kind, weights: list[str]
) -> None:
    tokens = "tiny.en-tokens.txt" if kind is Kind.WHISPER else "tokens.txt"
    found = recognize([*names, tokens, "README.md", "test.wav"], lambda _: metadata)
    assert (found.kind, sorted(found.weights), found.parts["tokens"]) == (kind, sorted(weights), tokens)
    assert found.kind.is_streaming == kind.value.startswith("streaming")


def test_moonshine_does_with_its_own_list_of_tokens() -> None:
    found = recognize(["encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"], lambda _: {})
    assert (found.kind, found.parts["tokenizer"]) == (Kind.MOONSHINE_V2, "tokenizer.bin")


@pytest.mark.parametrize(
    ("names", "metadata", "sentence"),
    [
        (["model.onnx"], NEMO_CTC, "it has no tokens.txt, which a NeMo CTC model needs"),
        (
            ["model.onnx", "tokens.txt"],
            {"model_type": "silero"},
            "model.onnx, whose metadata says model_type silero, is none of the models that are served: "
            "NeMo CTC, SenseVoice and zipformer2 CTC",
        ),
        (
            ["model.onnx", "tokens.txt"],
            {},
            "model.onnx, whose metadata names no model_type, is none of the models that are served: "
            "NeMo CTC, SenseVoice and zipformer2 CTC",
        ),
        (
            ["encoder.onnx", "tokens.txt"],
            {},
            "it has no decoder.onnx, which a transducer or Whisper model needs",
        ),
        (
            ["decoder.onnx", "joiner.onnx", "tokens.txt"],
            {},
            "it has no encoder.onnx, which a transducer or Whisper model needs",
        ),
        (
            ["encoder.onnx", "decoder.onnx", "tokens.txt"],
            NEMO_TRANSDUCER,
            "it has encoder.onnx and decoder.onnx, which are no Whisper model, and no joiner as a transducer has; "
            "a joiner.onnx is missing",
        ),
        (
            ["encoder_model.ort", "tokens.txt"],
            {},
            "it has no decoder_model_merged.ort, which a Moonshine v2 model needs",
        ),
        (
            ["preprocess.onnx", "cached_decode.onnx", "tokens.txt"],
            {},
            "it has no encode.onnx and no uncached_decode.onnx, which a Moonshine model needs",
        ),
        (
            ["encoder_model.ort", "decoder_model_merged.ort"],
            {},
            "it has no tokens.txt, which a Moonshine v2 model needs",
        ),
        (
            [*TRANSDUCER, "tokens.txt"],
            {"model_type": "squeezeformer", "decode_chunk_len": "32"},
            "the metadata of encoder.onnx says model_type squeezeformer; streaming transducers are "
            "conformer, ebranchformer, lstm, zipformer, zipformer2",
        ),
        (
            [*TRANSDUCER, "tokens.txt"],
            {},
            "the metadata of encoder.onnx names no model_type; export it again with sherpa-onnx's script",
        ),
        (
            ["model.onnx", "tokens.txt"],
            {key: value for key, value in (NEMO_CTC | STREAMING).items() if not key.endswith("dim2")},
            "model.onnx lacks the metadata keys cache_last_channel_dim2, cache_last_time_dim2 of a streaming NeMo CTC "
            "model; export it again with sherpa-onnx's script for that model",
        ),
        (
            ["small.onnx", "large.onnx", "tokens.txt"],
            NEMO_CTC,
            "large.onnx and small.onnx could both be its model; keep one model in a directory",
        ),
        (
            ["encoder-epoch-9.onnx", "encoder-epoch-99.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"],
            ZIPFORMER,
            "encoder-epoch-9.onnx and encoder-epoch-99.onnx could both be its encoder; keep one model in a directory",
        ),
    ],
)
def test_what_is_missing_is_one_sentence(names: list[str], metadata: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        recognize(names, lambda _: metadata)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("kind", "names", "metadata"),
    [
        (Kind.NEMO_CTC, ["model.onnx"], NEMO_CTC),
        (Kind.NEMO_TRANSDUCER, TRANSDUCER, NEMO_TRANSDUCER),
        (Kind.SENSE_VOICE, ["model.onnx"], SENSE_VOICE),
        (Kind.WHISPER, TRANSDUCER[:2], WHISPER),
        (Kind.STREAMING_NEMO_CTC, ["model.onnx"], NEMO_CTC | STREAMING),
        (Kind.STREAMING_NEMO_TRANSDUCER, TRANSDUCER, NEMO_TRANSDUCER | STREAMING),
        (Kind.STREAMING_TRANSDUCER, TRANSDUCER, ZIPFORMER),
        (Kind.STREAMING_ZIPFORMER_CTC, ["ctc.onnx"], ZIPFORMER),
    ],
)
def test_without_any_key_that_its_library_needs_a_model_is_refused(
    kind: Kind, names: list[str], metadata: Mapping[str, str]
) -> None:
    # The library ends the process where it misses one.
    assert recognize([*names, "tokens.txt"], lambda _: metadata).kind is kind
    optional = {"normalize_type", "is_giga_am", "model_type"}
    if kind is Kind.STREAMING_TRANSDUCER:
        optional = set(ZIPFORMER) - {"model_type", "T", "decode_chunk_len"}
    for key in metadata.keys() - optional:
        without = {other: value for other, value in metadata.items() if other != key}
        try:
            found = recognize([*names, "tokens.txt"], dict.fromkeys([*names], without).__getitem__)
        except UnknownModelError as error:
            assert str(error)
        else:
            assert found.kind is not kind, key


@pytest.mark.parametrize(
    ("names", "has_any"),
    [(["model.bin", "config.json"], False), (["model.onnx"], True), (["encoder_model.ort"], True), ([], False)],
)
def test_onnx_files_tell_the_family(names: list[str], has_any: bool) -> None:
    assert has_models(names) == has_any
