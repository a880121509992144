"""Zipformer models of tones as icefall exports them: transducers, and streaming ones and CTC with all their states."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.models.graphs import FLOAT, INT64, Graph
from tests.support.models.tones import N_MELS, Vocabulary

_SUBSAMPLING = 4
# Kaldi's filters are higher than those of NeMo by the widths of their bands.
_THRESHOLD = 2.0
_SUPPRESSION = 1_000.0
_CONTEXT = 2
_CHUNK, _WINDOW = 8, 21  # a real one of 320 ms has 32 and 45: 13 frames for the convolutions at its beginning
_EMBED_BANDS = 19  # what the convolutions leave of 80
_STATES: list[tuple[str, int, list[Any]]] = [
    ("cached_key_0", FLOAT, [2, "N", 1]),
    ("cached_nonlin_attn_0", FLOAT, [1, "N", 2, 3]),
    ("cached_val1_0", FLOAT, [2, "N", 1]),
    ("cached_val2_0", FLOAT, [2, "N", 1]),
    ("cached_conv1_0", FLOAT, ["N", 4, 1]),
    ("cached_conv2_0", FLOAT, ["N", 4, 1]),
    ("embed_states", FLOAT, ["N", 128, 3, _EMBED_BANDS]),
    ("processed_lens", INT64, ["N"]),
]
_METADATA = {
    "model_type": "zipformer2",
    "version": 1,
    "model_author": "k2-fsa",
    "decode_chunk_len": _CHUNK,
    "T": _WINDOW,
    "num_encoder_layers": 1,
    "encoder_dims": 4,
    "cnn_module_kernels": 3,
    "left_context_len": 2,
    "query_head_dims": 1,
    "value_head_dims": 1,
    "num_heads": 1,
}


def write_streaming_zipformer_ctc(directory: Path, vocabulary: Vocabulary) -> None:
    """Write a streaming zipformer2 CTC model."""
    graph = Graph()
    graph.add("LogSoftmax", _scores(graph, vocabulary), output="log_probs", axis=2)
    rows: list[Any] = ["N", _CHUNK // _SUBSAMPLING, len(vocabulary.all_tokens)]
    graph.save(
        directory / "ctc-epoch-20-avg-1-chunk-8-left-2.int8.onnx",
        [("x", FLOAT, ["N", _WINDOW, N_MELS]), *_STATES],
        [("log_probs", FLOAT, rows), *_next_states(graph)],
        _METADATA,
    )
    vocabulary.write(directory / "tokens.txt")


def write_streaming_zipformer(directory: Path, vocabulary: Vocabulary) -> None:
    """Write a streaming zipformer2 transducer."""
    n_tokens = len(vocabulary.all_tokens)
    encoder = Graph()
    encoder.add("Identity", _scores(encoder, vocabulary), output="encoder_out")
    encoder.save(
        directory / "encoder-epoch-99-avg-1-chunk-8-left-2.int8.onnx",
        [("x", FLOAT, ["N", _WINDOW, N_MELS]), *_STATES],
        [("encoder_out", FLOAT, ["N", _CHUNK // _SUBSAMPLING, n_tokens]), *_next_states(encoder)],
        _METADATA,
    )
    _write_predictor(directory, vocabulary, "epoch-99-avg-1-chunk-8-left-2")


def write_zipformer(directory: Path, vocabulary: Vocabulary) -> None:
    """Write a zipformer2 transducer for complete audio."""
    n_tokens = len(vocabulary.all_tokens)
    encoder = Graph()
    features = encoder.add("Transpose", "x", perm=[0, 2, 1])
    encoder.add("Identity", _rows(encoder, vocabulary, features), output="encoder_out")
    encoder.add("Div", "x_lens", encoder.constant(np.int64(_SUBSAMPLING)), output="encoder_out_lens")
    encoder.save(
        directory / "encoder-epoch-99-avg-1.int8.onnx",
        [("x", FLOAT, ["N", "T", N_MELS]), ("x_lens", INT64, ["N"])],
        [("encoder_out", FLOAT, ["N", "T2", n_tokens]), ("encoder_out_lens", INT64, ["N"])],
        {"model_type": "zipformer2", "version": 1, "model_author": "k2-fsa", "comment": "non-streaming zipformer2"},
    )
    _write_predictor(directory, vocabulary, "epoch-99-avg-1")


def _write_predictor(directory: Path, vocabulary: Vocabulary, release: str) -> None:
    """Write a decoder that says which token came last, and a joiner that lets no token follow itself."""
    n_tokens = len(vocabulary.all_tokens)
    decoder = Graph()
    table = np.eye(n_tokens, dtype=np.float32) * _SUPPRESSION
    table[0] = 0  # the blank may follow itself
    last = decoder.add("Gather", "y", decoder.constant(np.int64(_CONTEXT - 1)), axis=1)
    decoder.add("Gather", decoder.constant(table), last, output="decoder_out")
    decoder.save(
        directory / f"decoder-{release}.onnx",
        [("y", INT64, ["N", _CONTEXT])],
        [("decoder_out", FLOAT, ["N", n_tokens])],
        {"context_size": _CONTEXT, "vocab_size": n_tokens},
    )
    joiner = Graph()
    joiner.add("Sub", "encoder_out", "decoder_out", output="logit")
    joiner.save(
        directory / f"joiner-{release}.int8.onnx",
        [("encoder_out", FLOAT, ["N", n_tokens]), ("decoder_out", FLOAT, ["N", n_tokens])],
        [("logit", FLOAT, ["N", n_tokens])],
        {"joiner_dim": n_tokens},
    )
    vocabulary.write(directory / "tokens.txt")


def _scores(graph: Graph, vocabulary: Vocabulary) -> str:
    return _rows(graph, vocabulary, graph.add("Transpose", graph.slice("x", 0, _CHUNK, 1), perm=[0, 2, 1]))


def _rows(graph: Graph, vocabulary: Vocabulary, features: str) -> str:
    bands = vocabulary.kaldi_bands()
    return graph.tone_rows(features, bands, frames=_SUBSAMPLING, threshold=_THRESHOLD, vocabulary=vocabulary)


def _next_states(graph: Graph) -> list[tuple[str, int, list[Any]]]:
    for name, kind, _ in _STATES:
        one = graph.constant(np.int64(1) if kind == INT64 else np.float32(1))
        graph.add("Add", name, one, output=f"new_{name}")
    return [(f"new_{name}", kind, shape) for name, kind, shape in _STATES]
