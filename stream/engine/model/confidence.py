"""Owns how sure a word is: what the decoder gave its tokens, and how far the other readings agree."""

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

from stream.engine.model.hypotheses import Reading

# A logistic fit of "the word is right" over 2,732 words of read and synthetic speech, clean and in white noise of 15 to
# 0 dB: area under the ROC curve 0.85 (cross-validated), where the mean probability of the tokens has 0.81; without
# noise 0.93, where that has 0.65.
_BIAS = -4.0
_WORD_WEIGHT = 3.1
_READING_WEIGHT = 4.4
_LEAST_PROBABILITY = 1e-6  # of a token, where its logarithm is taken


def word_confidences(reading: Reading, probabilities: Sequence[float], readings: Sequence[Reading] = ()) -> list[float]:
    """Return for each word of a reading how likely it is to be right, above 0 and below 1.

    `probabilities` holds one for each token of the reading; `readings` all that the same sound may be heard as,
    this one too: words that others of them have as well are surer. Without any it stands alone.
    """
    support = _support(reading, readings or (reading,))
    likelihoods, likely = [], []
    first = 0
    for word in reading.words:
        own = probabilities[first : first + len(word.tokens)]
        first += len(word.tokens)
        logs = [math.log(max(probability, _LEAST_PROBABILITY)) for probability in own]
        likelihoods.append(math.exp(math.fsum(logs)))
        likely.append(math.exp(math.fsum(logs) / len(logs)))
    whole = math.fsum(likely) / max(1, len(likely))
    return [
        1 / (1 + math.exp(-(_BIAS + _WORD_WEIGHT * likelihood * share + _READING_WEIGHT * whole)))
        for likelihood, share in zip(likelihoods, support, strict=True)
    ]


def _support(reading: Reading, readings: Sequence[Reading]) -> list[float]:
    """Return for each word the share of all readings that have it at its place, by their probability."""
    # A score is the mean over the tokens and the end of the text.
    logprobs = [other.logprob * (len(other.tokens) + 1) for other in readings]
    best = max(logprobs)
    weights = [math.exp(logprob - best) for logprob in logprobs]
    words = _spoken(reading)
    support = [0.0] * len(words)
    for other, weight in zip(readings, weights, strict=True):
        for block in SequenceMatcher(None, words, _spoken(other), autojunk=False).get_matching_blocks():
            for place in range(block.a, block.a + block.size):
                support[place] += weight
    return [have / math.fsum(weights) for have in support]


def _spoken(reading: Reading) -> list[str]:
    """The words without case and punctuation."""
    return ["".join(letter for letter in word.text.casefold() if letter.isalnum()) for word in reading.words]
