"""A SenseVoice model of tones: four tokens about the audio, then the text."""

from pathlib import Path

import numpy as np

from tests.support.models.graphs import FLOAT, INT32, Graph
from tests.support.models.tones import N_MELS, Vocabulary

LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12}
_WITH_TEXT_NORM, _WITHOUT_TEXT_NORM = 14, 15
_WINDOW, _SHIFT = 7, 6  # frames that are stacked, and how far the next ones are
# Of samples between -32,768 and 32,767.
_THRESHOLD = 20.0
_SURE = 1_000.0
_TEXT_NORM_TOKENS = ("<|withitn|>", "<|woitn|>")


def write_sense_voice(directory: Path, vocabulary: Vocabulary) -> None:
    """Write a model that detects Korean where no language is asked for; its blank is the first token."""
    about = [*(f"<|{tag}|>" for tag in LANGUAGES), "<|NEUTRAL|>", "<|Speech|>", *_TEXT_NORM_TOKENS]
    extended = Vocabulary((*vocabulary.tokens, *about), is_blank_first=True)
    number = {token: index for index, token in enumerate(extended.all_tokens)}
    n_tokens = len(extended.all_tokens)
    about_rows = np.zeros((_WITHOUT_TEXT_NORM + 1, n_tokens), np.float32)
    for tag, place in LANGUAGES.items():
        about_rows[place, number["<|ko|>" if tag == "auto" else f"<|{tag}|>"]] = _SURE
    for place, token in zip((_WITH_TEXT_NORM, _WITHOUT_TEXT_NORM), _TEXT_NORM_TOKENS, strict=True):
        about_rows[place, number[token]] = _SURE
    constant = np.zeros((1, 2, n_tokens), np.float32)
    constant[0, 0, number["<|NEUTRAL|>"]] = constant[0, 1, number["<|Speech|>"]] = _SURE

    graph = Graph()
    table, one = graph.constant(about_rows), graph.constant(np.array([1], np.int64))
    language, text_norm = (
        graph.add("Unsqueeze", graph.add("Gather", table, name), one) for name in ("language", "text_norm")
    )
    middle = graph.slice("x", N_MELS * (_WINDOW // 2), N_MELS * (_WINDOW // 2 + 1), 2)
    features = graph.add("Transpose", middle, perm=[0, 2, 1])
    # The tokens about the audio have no tone: band 0 holds nothing of those that the tests play.
    bands = [*vocabulary.kaldi_bands(), *[0] * len(about)]
    rows = graph.tone_rows(features, bands, frames=1, threshold=_THRESHOLD, vocabulary=extended)
    graph.add("Concat", language, graph.constant(constant), text_norm, rows, output="logits", axis=1)
    graph.save(
        directory / "model.int8.onnx",
        [
            *(("x", FLOAT, ["N", "T", N_MELS * _WINDOW]), ("x_length", INT32, ["N"])),
            *(("language", INT32, ["N"]), ("text_norm", INT32, ["N"])),
        ],
        [("logits", FLOAT, ["N", "T2", n_tokens])],
        {
            "model_type": "sense_voice_ctc",
            "lfr_window_size": _WINDOW,
            "lfr_window_shift": _SHIFT,
            "normalize_samples": 0,
            "blank_id": 0,
            "with_itn": _WITH_TEXT_NORM,
            "without_itn": _WITHOUT_TEXT_NORM,
            "vocab_size": n_tokens,
            "neg_mean": ",".join(["0"] * N_MELS * _WINDOW),
            "inv_stddev": ",".join(["1"] * N_MELS * _WINDOW),
            "comment": "tones",
            **{f"lang_{tag}": place for tag, place in LANGUAGES.items()},
        },
    )
    extended.write(directory / "tokens.txt")
