"""Train language models, one after the other, in the background."""

import asyncio
import traceback

import structlog

from stream.configuration.keys import is_id
from stream.vocabulary.training import MOST_CHARACTERS, select
from web.store.languagemodels import LanguageModels, Untrained
from web.store.transcriptions import Transcriptions

# How often models are looked for that another process queued or did not finish.
_POLL_SECONDS = 5.0
# How long a model whose training failed waits for the next try.
_PAUSE_SECONDS = 60.0
_log = structlog.get_logger()


class Trainer:
    """Selects at most `most_phrases` phrases from the corpora of each model.

    Several processes may work on the same tables. If two of them train the same model, the second result is dropped.
    """

    def __init__(self, models: LanguageModels, transcriptions: Transcriptions, most_phrases: int) -> None:
        self._models = models
        self._transcriptions = transcriptions
        self._most_phrases = most_phrases
        self._wake = asyncio.Event()
        self._paused: dict[str, float] = {}

    def wake(self) -> None:
        """Look for a model to train now."""
        self._wake.set()

    async def run(self) -> None:
        """Train models until cancelled, first those that an earlier process did not finish."""
        while True:
            self._wake.clear()
            try:
                await self._train_all()
            except Exception as error:  # the database may be away; the next poll tries again
                _log_error("training_stopped", error)
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _train_all(self) -> None:
        now = asyncio.get_running_loop().time()
        self._paused = {model_id: until for model_id, until in self._paused.items() if until > now}
        for model in await self._models.untrained():
            if model.id in self._paused:
                continue
            try:
                await self._train(model)
            except Exception as error:
                self._paused[model.id] = now + _PAUSE_SECONDS
                _log_error("training_failed", error, model_id=model.id)

    async def _train(self, model: Untrained) -> None:
        corpora = await self._models.training(model.id)
        if corpora is None:
            return
        entries = [entry for entry in corpora if not is_id(entry)]
        ids = dict.fromkeys(entry.lower() for entry in corpora if is_id(entry))
        transcripts = await self._transcripts(list(ids), model.owner)
        phrases = await asyncio.to_thread(select, entries, transcripts, self._most_phrases)
        await self._models.trained(model.id, phrases)
        _log.info("language_model_trained", model_id=model.id, corpora=len(corpora), phrases=len(phrases))

    async def _transcripts(self, transcription_ids: list[str], owner: str) -> list[str]:
        """Return the text of each transcription, a line for each utterance; deleted ones are left out."""
        texts: list[str] = []
        for transcription_id in transcription_ids:
            if sum(map(len, texts)) >= MOST_CHARACTERS:
                break
            transcription = await self._transcriptions.get(transcription_id, owner)
            if transcription is not None:
                lines = (one.alternatives[0].transcript for one in transcription.utterances if not one.is_empty)
                texts.append("\n".join(lines))
        return texts


def _log_error(event: str, error: Exception, **ids: str) -> None:
    # Not the error's text: that of a database repeats the values, which are a caller's words.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(event, error=type(error).__name__, at=f"{frame.filename}:{frame.lineno}", **ids)
