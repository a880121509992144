"""NeMo models of tones as sherpa-onnx reads them: CTC and transducer, offline and with the caches of streaming ones."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.models.graphs import FLOAT, INT32, INT64, Graph
from tests.support.models.tones import N_MELS, Vocabulary

SUBSAMPLING = 8
# The log energy in the band of a tone is 0 to 2 for the sounds of these tests, elsewhere below -2.
_THRESHOLD = -1.0
_SUPPRESSION = 1_000.0
_PREDICTOR = {"pred_rnn_layers": 1, "pred_hidden": 1}
_CACHE_SHAPE = ["N", 1, 1, 1]
_CACHES = {f"cache_last_{part}_dim{number}": 1 for part in ("channel", "time") for number in (1, 2, 3)}
_FEATURES = ("audio_signal", FLOAT, ["N", N_MELS, "T"])
_STATES = [("cache_last_channel", FLOAT), ("cache_last_time", FLOAT), ("cache_last_channel_len", INT64)]


def write_nemo_ctc(directory: Path, vocabulary: Vocabulary) -> None:
    """Write an offline CTC model."""
    graph = Graph()
    _log_softmax(graph, _scores(graph, vocabulary, "audio_signal"))
    graph.save(
        directory / "model.onnx",
        [_FEATURES, ("length", INT64, ["N"])],
        [("logprobs", FLOAT, ["N", "T2", len(vocabulary.all_tokens)])],
        _metadata(vocabulary, "EncDecCTCModelBPE"),
    )
    vocabulary.write(directory / "tokens.txt")


def write_streaming_nemo_ctc(directory: Path, vocabulary: Vocabulary, *, window: int = 9, shift: int = 8) -> None:
    """Write a streaming CTC model that takes `window` frames of 10 ms every `shift` frames."""
    graph = Graph()
    _log_softmax(graph, _scores(graph, vocabulary, graph.slice("audio_signal", 0, shift, 2)))
    graph.save(
        directory / "model.onnx",
        [("audio_signal", FLOAT, ["N", N_MELS, window]), ("length", INT64, ["N"]), *_caches("")],
        [
            ("logprobs", FLOAT, ["N", shift // SUBSAMPLING, len(vocabulary.all_tokens)]),
            *_passed_on(graph, "length"),
        ],
        _metadata(vocabulary, "EncDecHybridRNNTCTCBPEModel", window_size=window, chunk_shift=shift, **_CACHES),
    )
    vocabulary.write(directory / "tokens.txt")


def write_nemo_transducer(directory: Path, vocabulary: Vocabulary) -> None:
    """Write an offline transducer of an encoder, a decoder and a joiner."""
    graph = Graph()
    rows = _scores(graph, vocabulary, "audio_signal")
    graph.add("Transpose", rows, output="outputs", perm=[0, 2, 1])
    graph.add("Div", "length", graph.constant(np.int64(SUBSAMPLING)), output="encoded_lengths")
    graph.save(
        directory / "encoder.int8.onnx",
        [_FEATURES, ("length", INT64, ["N"])],
        [("outputs", FLOAT, ["N", len(vocabulary.all_tokens), "T2"]), ("encoded_lengths", INT64, ["N"])],
        _metadata(vocabulary, "EncDecRNNTBPEModel", **_PREDICTOR),
    )
    _write_predictor(directory, vocabulary)


def write_streaming_nemo_transducer(
    directory: Path, vocabulary: Vocabulary, *, window: int = 9, shift: int = 8
) -> None:
    """Write a streaming transducer, as Nemotron is one."""
    graph = Graph()
    rows = _scores(graph, vocabulary, graph.slice("audio_signal", 0, shift, 2))
    graph.add("Transpose", rows, output="outputs", perm=[0, 2, 1])
    graph.save(
        directory / "encoder.int8.onnx",
        [("audio_signal", FLOAT, ["N", N_MELS, window]), ("length", INT64, ["N"]), *_caches("")],
        [
            ("outputs", FLOAT, ["N", len(vocabulary.all_tokens), shift // SUBSAMPLING]),
            *_passed_on(graph, "length"),
        ],
        _metadata(vocabulary, "EncDecRNNTBPEModel", window_size=window, chunk_shift=shift, **_PREDICTOR, **_CACHES),
    )
    _write_predictor(directory, vocabulary)


def _write_predictor(directory: Path, vocabulary: Vocabulary) -> None:
    """Write a decoder that says which token came last, and a joiner that lets no token follow itself."""
    n_tokens = len(vocabulary.all_tokens)
    state = [1, "N", 1]
    decoder = Graph()
    table = np.eye(n_tokens, dtype=np.float32) * _SUPPRESSION
    table[-1] = 0  # the blank may follow itself
    last = decoder.add("Gather", decoder.constant(table), "targets")
    decoder.add("Transpose", last, output="outputs", perm=[0, 2, 1])
    decoder.add("Identity", "target_length", output="prednet_lengths")
    decoder.add("Identity", "states.1", output="states")
    decoder.add("Identity", "onnx::LSTM_3", output="162")
    decoder.save(
        directory / "decoder.int8.onnx",
        [
            *(("targets", INT32, ["N", 1]), ("target_length", INT32, ["N"])),
            *(("states.1", FLOAT, state), ("onnx::LSTM_3", FLOAT, state)),
        ],
        [
            *(("outputs", FLOAT, ["N", n_tokens, 1]), ("prednet_lengths", INT32, ["N"])),
            *(("states", FLOAT, state), ("162", FLOAT, state)),
        ],
    )
    joiner = Graph()
    difference = joiner.add("Sub", "encoder_outputs", "decoder_outputs")
    shape = joiner.constant(np.array([-1, 1, 1, n_tokens], np.int64))
    joiner.add("Reshape", joiner.add("Transpose", difference, perm=[0, 2, 1]), shape, output="logits")
    joiner.save(
        directory / "joiner.int8.onnx",
        [("encoder_outputs", FLOAT, ["N", n_tokens, 1]), ("decoder_outputs", FLOAT, ["N", n_tokens, 1])],
        [("logits", FLOAT, ["N", 1, 1, n_tokens])],
    )
    vocabulary.write(directory / "tokens.txt")


def _scores(graph: Graph, vocabulary: Vocabulary, features: str) -> str:
    bands = vocabulary.librosa_bands()
    return graph.tone_rows(features, bands, frames=SUBSAMPLING, threshold=_THRESHOLD, vocabulary=vocabulary)


def _log_softmax(graph: Graph, rows: str) -> None:
    graph.add("LogSoftmax", rows, output="logprobs", axis=2)


def _caches(suffix: str) -> list[tuple[str, int, list[Any]]]:
    return [(name + suffix, kind, ["N"] if kind == INT64 else _CACHE_SHAPE) for name, kind in _STATES]


def _passed_on(graph: Graph, length: str) -> list[tuple[str, int, list[Any]]]:
    """Add the length of the output and the next caches, which count the steps; return them as outputs."""
    graph.add("Div", length, graph.constant(np.int64(SUBSAMPLING)), output="length_out")
    for name, kind in _STATES:
        one = graph.constant(np.int64(1) if kind == INT64 else np.float32(1))
        graph.add("Add", name, one, output=f"{name}_next")
    return [("length_out", INT64, ["N"]), *_caches("_next")]


def _metadata(vocabulary: Vocabulary, model_type: str, **others: object) -> dict[str, object]:
    """Return what NeMo's exporters of sherpa-onnx write; the vocabulary's size does not count the blank."""
    return {
        "vocab_size": len(vocabulary.tokens),
        "normalize_type": "",
        "subsampling_factor": SUBSAMPLING,
        "model_type": model_type,
        "version": "1",
        "model_author": "NeMo",
        "comment": "tones",
        **others,
    }
