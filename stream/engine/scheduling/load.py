"""Measure the load: decoding time by session and by class of work, and the lateness of finals; pure.

Times are seconds on any monotonic clock; the cost of a session is a share of a worker, in seconds of decoding a second.
"""

import math

from stream.recognition.places import WorkClass

# The use of the workers by a session is averaged over so much time: a few utterances.
_USAGE_SECONDS = 10.0
# The cost of the final and the early finals of a second of speech, without partials, in multiples of the expected share
# of a plain talker. Measured in CPU time on the clips of tests/clips: with 100 phrases a final takes 1.5 times as long
# as a plain one, with `yesno` 2 times and with `city` 4 times. Closed vocabularies have early finals besides, and no
# partials that could yield.
_FIRST_GUESS = {WorkClass.PLAIN: 0.5, WorkClass.PHRASES: 0.75, WorkClass.CLOSED: 3.5}
# A first guess has the weight of so much speech; speech that is older than the second value has half its weight.
_GUESS_SECONDS = 30.0
_REMEMBERED_SECONDS = 200.0
# The least length that an utterance counts with, so that one-word utterances do not raise the cost of all others.
_LEAST_SPEECH_SECONDS = 2.0
# The part of a plain talker's share that is reserved for partials, which are decoded as time allows.
_PARTIALS_SHARE = 0.5
# Above this rate of finals and early finals, which no speaker reaches, a session waits behind the others. The limit is
# on their number and not on their time, because all decodes take long on a busy machine.
_MOST_DECODES_PER_SECOND = 2.0
# Lateness is a running mean with this weight for the newest wait; without finals it decays within seconds.
_NEWEST_WAIT = 0.2
_DECAY_SECONDS = 5.0


class Costs:
    """Learns the share of a worker that a talking session takes, for each class of work.

    The expected share is `unit` at least, however cheap earlier calls were. Streaming models have no partials besides:
    with `has_partials` off nothing is reserved for them.
    """

    def __init__(self, unit: float, *, has_partials: bool = True) -> None:
        self.unit = unit
        self._has_partials = has_partials
        self._decode_seconds = {work: guess * unit * _GUESS_SECONDS for work, guess in _FIRST_GUESS.items()}
        self._speech_seconds = dict.fromkeys(WorkClass, _GUESS_SECONDS)

    def note(self, work: WorkClass, decode_seconds: float, speech_seconds: float) -> None:
        """Record the decoding time that the finals of an utterance took, and the length of its speech."""
        self._decode_seconds[work] += decode_seconds
        self._speech_seconds[work] += max(speech_seconds, _LEAST_SPEECH_SECONDS)
        if self._speech_seconds[work] > _REMEMBERED_SECONDS:
            self._decode_seconds[work] /= 2
            self._speech_seconds[work] /= 2

    def expected(self, work: WorkClass) -> float:
        """Return the share of a worker that a session is expected to take while it talks."""
        reserves = self._has_partials and work is not WorkClass.CLOSED
        partials = _PARTIALS_SHARE * self.unit if reserves else 0.0
        return max(self.unit, self._decode_seconds[work] / self._speech_seconds[work] + partials)


class SessionUsage:
    """The decoding time of one session, without partials; `next_turn` is its place in fair queueing."""

    def __init__(self, costs: Costs, work: WorkClass = WorkClass.PLAIN) -> None:
        self.work = work
        self.next_turn = 0
        self._costs = costs
        self._decode_seconds = self._decodes = 0.0
        self._updated_at = 0.0
        self._unsettled_seconds = 0.0

    @property
    def expected(self) -> float:
        """The share of a worker that the session is expected to take while it talks."""
        return self._costs.expected(self.work)

    def spend(self, seconds: float, now: float, *, is_step: bool = False) -> None:
        """Record the time that a final, an early final or a step of a streaming model took.

        Steps come with the audio, whatever a client does, so that their number makes nobody greedy.
        """
        decay = self._decay(now)
        self._decode_seconds = decay * self._decode_seconds + seconds
        self._decodes = decay * self._decodes + (not is_step)
        self._updated_at = now
        self._unsettled_seconds += seconds

    def settle(self, speech_seconds: float) -> None:
        """Add an utterance of this length to the costs of its class of work."""
        self._costs.note(self.work, self._unsettled_seconds, speech_seconds)
        self._unsettled_seconds = 0.0

    def share(self, now: float) -> float:
        """Return the share of a worker that the session took lately."""
        return self._decay(now) * self._decode_seconds / _USAGE_SECONDS

    def is_greedy(self, now: float) -> bool:
        """Whether the session lately had far more decodes than speech can cause."""
        return self._decay(now) * self._decodes > _MOST_DECODES_PER_SECOND * _USAGE_SECONDS

    def _decay(self, now: float) -> float:
        return math.exp((self._updated_at - now) / _USAGE_SECONDS)


class Lateness:
    """A running mean of how long finals wait for a worker."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._noted_at = 0.0

    def note(self, wait_seconds: float, now: float) -> None:
        """Record how long a final has waited when its decode begins."""
        mean = self.seconds(now)
        self._seconds = mean + _NEWEST_WAIT * (wait_seconds - mean)
        self._noted_at = now

    def seconds(self, now: float) -> float:
        """Return how long a final is likely to wait."""
        return self._seconds * math.exp((self._noted_at - now) / _DECAY_SECONDS)
