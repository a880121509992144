"""Commands to finalize that wait until the utterances which they are about are settled."""

from collections.abc import Iterable

from stream.session.channel import Channel


class FinalizeCommands:
    """Each command waits for its utterances alone; commands that are about the same ones are answered once."""

    def __init__(self) -> None:
        # The last utterance that a command is about, and its channel, None for all channels.
        self._waiting: dict[tuple[int, int | None], None] = {}

    def add(self, last_utterance_id: int, channel: int | None) -> None:
        """Take a command of a channel, None for all channels, which is about utterances up to this one."""
        self._waiting[last_utterance_id, channel] = None

    def take(self, channels: Iterable[Channel]) -> list[int | None]:
        """Return the channels of the commands whose utterances are all settled, in their order."""
        first_open = {one.index: one.unsettled[0].utterance_id for one in channels if one.unsettled}
        settled = [
            (last, channel)
            for last, channel in self._waiting
            if all(first > last for index, first in first_open.items() if channel in (None, index))
        ]
        for command in settled:
            del self._waiting[command]
        return [channel for _, channel in settled]
