"""Owns the training of language models: one after the other, beside what the server does for its callers."""

import asyncio
import traceback

import structlog

from stream.configuration.keys import is_id
from stream.vocabulary.training import MOST_CHARACTERS, select
from web.store.languagemodels import LanguageModels, Untrained
from web.store.transcriptions import Transcriptions

# So late is found what another process queued, or left behind.
_LOOK_SECONDS = 5.0
_REST_SECONDS = 60.0
_log = structlog.get_logger()


class Trainer:
    """Makes at most `most_phrases` phrases of the corpora of each model.

    Several processes may work on the same tables: then one may train what another trains already, and what it makes
    of it is dropped.
    """

    def __init__(self, models: LanguageModels, transcriptions: Transcriptions, most_phrases: int) -> None:
        self._models = models
        self._transcriptions = transcriptions
        self._most_phrases = most_phrases
        self._wake = asyncio.Event()
        self._resting: dict[str, float] = {}

    def wake(self) -> None:
        """There is a model to train."""
        self._wake.set()

    async def run(self) -> None:
        """Train what waits, until cancelled; begins with what an earlier process did not finish."""
        while True:
            self._wake.clear()
            try:
                await self._train_all()
            except Exception as error:  # a database that is away now is there again in a while
                _note("training_stopped", error)
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _train_all(self) -> None:
        now = asyncio.get_running_loop().time()
        self._resting = {model_id: until for model_id, until in self._resting.items() if until > now}
        for model in await self._models.untrained():
            if model.id in self._resting:
                continue
            try:
                await self._train(model)
            except Exception as error:
                self._resting[model.id] = now + _REST_SECONDS
                _note("training_failed", error, model_id=model.id)

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
        """What was said in each, a line for each utterance; nothing of one that was deleted meanwhile."""
        texts: list[str] = []
        for transcription_id in transcription_ids:
            if sum(map(len, texts)) >= MOST_CHARACTERS:
                break
            transcription = await self._transcriptions.get(transcription_id, owner)
            if transcription is not None:
                said = (one.alternatives[0].transcript for one in transcription.utterances if not one.is_empty)
                texts.append("\n".join(said))
        return texts


def _note(event: str, error: Exception, **ids: str) -> None:
    # Not the error itself: what a database says of one repeats the values, and those are a caller's words.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(event, error=type(error).__name__, at=f"{frame.filename}:{frame.lineno}", **ids)
