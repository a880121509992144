"""Measure what sessions cost: decoding time of each session and each class of work, and how late finals come; pure.

Times are seconds on any steady clock; what a session costs is a share of a worker: seconds of decoding in a second.
"""

import math

from stream.recognition.places import WorkClass

# Over how much time a session's use of the workers is averaged: a few utterances.
_USAGE_SECONDS = 10.0
# What the final and the early finals of a second of speech cost beside partials, in multiples of the share that a plain
# talker is expected to take. Measured in CPU time on the clips of tests/clips: with 100 phrases a final takes 1.5 times
# as long as a plain one, with `yesno` 2 times and with `city` 4 times; there are early finals besides, and no partials
# that could make room.
_FIRST_GUESS = {WorkClass.PLAIN: 0.5, WorkClass.PHRASES: 0.75, WorkClass.CLOSED: 3.5}
# A guess counts as much as so much speech, and what is older than this counts half as much as what is new.
_GUESS_SECONDS = 30.0
_REMEMBERED_SECONDS = 200.0
# An utterance counts as at least so long, so that one-word utterances do not make everybody else's look dear.
_LEAST_SPEECH_SECONDS = 2.0
# Of a plain talker's share, what is left for partials: they are decoded as often as there is time, and wait when not.
_PARTIALS_SHARE = 0.5
# A session that lately wanted more finals and early finals a second than anybody speaks waits behind the others. Their
# number tells, not their time: on a busy machine everybody's decodes take long.
_MOST_DECODES_PER_SECOND = 2.0
# Lateness is a running mean, of which each wait is this part; without finals it fades within seconds.
_NEWEST_WAIT = 0.2
_FADING_SECONDS = 5.0


class Costs:
    """Learns which share of a worker a talking session takes, for each class of work.

    A plain talker is expected to take `unit` at least, however cheap its calls have been.
    """

    def __init__(self, unit: float) -> None:
        self.unit = unit
        self._spent = {work: guess * unit * _GUESS_SECONDS for work, guess in _FIRST_GUESS.items()}
        self._speech = dict.fromkeys(WorkClass, _GUESS_SECONDS)

    def note(self, work: WorkClass, spent_seconds: float, speech_seconds: float) -> None:
        """The finals of an utterance of so much speech took so much decoding."""
        self._spent[work] += spent_seconds
        self._speech[work] += max(speech_seconds, _LEAST_SPEECH_SECONDS)
        if self._speech[work] > _REMEMBERED_SECONDS:
            self._spent[work] /= 2
            self._speech[work] /= 2

    def expected(self, work: WorkClass) -> float:
        """The share of a worker that a session takes while it talks."""
        partials = 0.0 if work is WorkClass.CLOSED else _PARTIALS_SHARE * self.unit
        return max(self.unit, self._spent[work] / self._speech[work] + partials)


class Flow:
    """The decoding time of one session, for its finals and early finals; `next_turn` is when it may have another."""

    def __init__(self, costs: Costs, work: WorkClass = WorkClass.PLAIN) -> None:
        self.work = work
        self.next_turn = 0
        self._costs = costs
        self._spent = self._decodes = 0.0
        self._spent_at = 0.0
        self._unsettled = 0.0

    @property
    def expected(self) -> float:
        """The share of a worker that is expected of it while it talks."""
        return self._costs.expected(self.work)

    def spend(self, seconds: float, now: float) -> None:
        """A final or an early final took so long."""
        fading = self._fading(now)
        self._spent = fading * self._spent + seconds
        self._decodes = fading * self._decodes + 1
        self._spent_at = now
        self._unsettled += seconds

    def settle(self, speech_seconds: float) -> None:
        """An utterance of so much sound is settled: what it took tells what others of its class will take."""
        self._costs.note(self.work, self._unsettled, speech_seconds)
        self._unsettled = 0.0

    def share(self, now: float) -> float:
        """The share of a worker that it took lately."""
        return self._fading(now) * self._spent / _USAGE_SECONDS

    def is_greedy(self, now: float) -> bool:
        """Whether it wanted far more decodes lately than anybody who speaks."""
        return self._fading(now) * self._decodes > _MOST_DECODES_PER_SECOND * _USAGE_SECONDS

    def _fading(self, now: float) -> float:
        return math.exp((self._spent_at - now) / _USAGE_SECONDS)


class Lateness:
    """How long finals wait for a worker, smoothed."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._noted_at = 0.0

    def note(self, wait_seconds: float, now: float) -> None:
        """The decode of a final begins after such a wait."""
        mean = self.seconds(now)
        self._seconds = mean + _NEWEST_WAIT * (wait_seconds - mean)
        self._noted_at = now

    def seconds(self, now: float) -> float:
        """How long a final is likely to wait."""
        return self._seconds * math.exp((self._noted_at - now) / _FADING_SECONDS)
