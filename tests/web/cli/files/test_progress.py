import io
import re

from rich.console import Console

from stream.client.http import Transcription
from stream.protocols.farsava.messages import Done, Partial, WireResult, WireWord
from tests.support.places import CLIPS
from web.cli.console import printable
from web.cli.files.media import FileClip
from web.cli.files.progress import SETTLED_LINES, LiveProgress, RecordingProgress, drawn

YES = CLIPS / "yes.wav"


def unsettled(text: str) -> Partial:
    return Partial("id", 1.0, 0.1, "partial", 1, [WireResult(text, 0.0, [WireWord(0.0, 0.0, text, 0.0)])])


def settled(text: str, end: float = 0.5) -> Partial:
    return Partial("id", 1.0, 0.1, "partial", 1, [WireResult(text, 0.9, [WireWord(0.1, end, text, 0.9)])])


def lines_of(progress: LiveProgress | RecordingProgress) -> list[str]:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(progress)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_settled_lines_stand_above_the_growing_one_and_the_bars() -> None:
    progress = LiveProgress(FileClip(YES))
    progress.show(settled("yes"))
    progress.show(unsettled("of"))
    progress.show(unsettled("of course"))
    progress.sent(0.7)
    title, first, second, sent, done = lines_of(progress)
    assert title == f"{YES}, 0.8 s"
    assert [first, second] == ["yes", "of course"]
    assert (sent.split()[0], sent.split()[-2:]) == ("sent", ["0.7", "s"])
    assert (done.split()[0], done.split()[-2:]) == ("settled", ["0.5", "s"])


def test_a_settled_line_takes_the_place_of_the_growing_one() -> None:
    progress = LiveProgress(FileClip(YES))
    progress.show(unsettled("yess"))
    progress.show(settled("yes"))
    assert lines_of(progress)[1:3] == ["yes", ""]


def test_an_utterance_that_settles_empty_vanishes() -> None:
    progress = LiveProgress(FileClip(YES))
    progress.show(unsettled("uh"))
    progress.show(Partial("id", 1.0, 0.1, "partial", 2, [WireResult("", 0.0, [])]))
    assert lines_of(progress)[1] == ""


def test_only_the_last_settled_lines_are_kept_in_view() -> None:
    progress = LiveProgress(FileClip(YES))
    for number in range(20):
        progress.show(settled(f"line {number}"))
    progress.show(Done("id", 0.75, 0.1, "done", []))
    lines = lines_of(progress)
    assert lines[1 : SETTLED_LINES + 1] == [f"line {number}" for number in range(20 - SETTLED_LINES, 20)]
    assert lines[-1].endswith("0.8 s")


def test_markup_and_control_characters_of_others_are_only_text() -> None:
    progress = LiveProgress(FileClip(YES))
    progress.show(settled("[red]no[/red] \x1b[2J:smile:"))
    assert lines_of(progress)[1] == "[red]no[/red]  [2J:smile:"


def test_persian_joiners_are_kept() -> None:
    assert printable("قایق\u200cها\x07") == "قایق\u200cها "


def test_a_pipe_sees_nothing_of_it() -> None:
    log = io.StringIO()
    with drawn(LiveProgress(FileClip(YES)), Console(file=log, force_terminal=False)) as progress:
        progress.show(unsettled("yes"))
    assert log.getvalue() == ""


def test_a_terminal_sees_it_grow() -> None:
    log = io.StringIO()
    with drawn(LiveProgress(FileClip(YES)), Console(file=log, force_terminal=True, width=100)) as progress:
        progress.show(unsettled("growing"))
    assert "growing" in log.getvalue()


def bars_of(progress: RecordingProgress) -> list[str]:
    return [re.sub(r"[━╸╺ ]+", " ", line).strip() for line in lines_of(progress)]


def recognized(progress: float) -> Transcription:
    return Transcription("id", 1.0, 0.1, "partial", [], progress)


def test_the_bars_begin_empty_and_grow_to_their_ends() -> None:
    progress = RecordingProgress("talk.mp3", 2_000_000)
    assert bars_of(progress) == ["talk.mp3, 2.0 MB", "sent 0% 0:00:00", "recognized 0% 0:00:00"]
    progress.sent(500_000)
    progress.show(recognized(0.1))
    assert bars_of(progress) == ["talk.mp3, 2.0 MB", "sent 25% 0:00:00", "recognized 10% 0:00:00"]
    progress.sent(2_000_000)
    progress.show(recognized(1.0))
    assert bars_of(progress) == ["talk.mp3, 2.0 MB", "sent 100% 0:00:00", "recognized 100% 0:00:00"]


def test_an_upload_that_begins_again_goes_back() -> None:
    progress = RecordingProgress("talk.mp3", 1000)
    progress.sent(900)
    progress.sent(0)
    assert bars_of(progress)[1] == "sent 0% 0:00:00"


def test_what_the_server_fetches_has_one_bar() -> None:
    progress = RecordingProgress("https://host/[red]talk\x1b.mp3", None)
    progress.sent(1)
    progress.show(recognized(0.5))
    assert bars_of(progress) == ["https://host/[red]talk .mp3", "recognized 50% 0:00:00"]
