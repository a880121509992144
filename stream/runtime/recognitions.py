"""The recognitions of one session: its orders for streams, carried out."""

import asyncio
from collections.abc import Callable

from stream.recognition.recognition import MOST_UNSENT_BYTES, Recognition, RecognitionLimits
from stream.recognition.recognizer import Recognizer
from stream.recognition.stall import ResponseTimes
from stream.session.events import (
    AbandonStream,
    FinishStream,
    ForceEndpoint,
    OpenStream,
    Order,
    SendAudio,
    SessionInput,
)


class Recognitions:
    """Runs a task for each open stream in `tasks`.

    `report` takes what streams report, `progressed` is called when one has sent audio on.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        limits: RecognitionLimits,
        tasks: asyncio.TaskGroup,
        *,
        report: Callable[[SessionInput], None],
        progressed: Callable[[], None],
    ) -> None:
        self._recognizer = recognizer
        self._limits = limits
        self._tasks = tasks
        self._report = report
        self._progressed = progressed
        self._response_times = ResponseTimes()
        self._open: dict[int, tuple[Recognition, asyncio.Task[None]]] = {}

    @property
    def is_behind(self) -> bool:
        """Whether audio of a stream has waited so long that no more is to be received."""
        return any(recognition.unsent_bytes > MOST_UNSENT_BYTES for recognition, _ in self._open.values())

    def carry_out(self, order: Order) -> None:
        """Do what the session orders; orders for a stream that has ended are void."""
        match order:
            case OpenStream():
                self._begin(order)
            case SendAudio(stream_id, pcm) if stream_id in self._open:
                self._open[stream_id][0].add(pcm)
            case ForceEndpoint(stream_id) if stream_id in self._open:
                self._open[stream_id][0].force_endpoint()
            case FinishStream(stream_id) if stream_id in self._open:
                self._open[stream_id][0].finish()
            case AbandonStream(stream_id) if stream_id in self._open:
                self._open[stream_id][1].cancel()

    def _begin(self, order: OpenStream) -> None:
        recognition = Recognition(order, self._report, self._progressed, self._limits, self._response_times)
        task = self._tasks.create_task(recognition.run(self._recognizer))
        task.add_done_callback(lambda _: self._open.pop(order.stream_id, None))
        self._open[order.stream_id] = recognition, task
