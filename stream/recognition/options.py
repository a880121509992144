"""Recognition options from a session's configuration, made once for each configuration."""

from typing import Protocol

from stream.catalogue.models import advice_for
from stream.configuration.config import CLOSED_VOCABULARY, DIGITS, LANGUAGE_MODELS, OFF, SessionConfig
from stream.errors import ClientError, Problem
from stream.recognition.recognizer import LanguageNotServedError, Recognizer
from stream.session.events import RecognitionOptions
from stream.session.turns import first_pass_ms
from stream.vocabulary.templates import TemplateError, closed_phrases
from stream.vocabulary.vocabularies import VocabularyLanguageError, vocabulary


class ModelLookup(Protocol):
    """Finds what the trained language model of a configuration stands for."""

    async def __call__(self, config: SessionConfig) -> SessionConfig:
        """Return the configuration with the phrases of its model; raises ClientError when there is no such one."""
        ...


async def no_models(config: SessionConfig) -> SessionConfig:
    """Look up language models where there are none but the built-in ones."""
    if config.names_trained_model:
        detail = f"there is no language model {config.language_model}; it may be one of {', '.join(LANGUAGE_MODELS)}"
        raise ClientError(Problem.NOT_FOUND, detail)
    return config


def recognition_options(config: SessionConfig, recognizer: Recognizer) -> RecognitionOptions:
    """Build the options of every stream; raises ClientError for what the recognizer does not serve."""
    language_code = _language(config, recognizer)
    if config.wants_speakers and not recognizer.tells_speakers:
        raise ClientError(
            Problem.INVALID_CONFIG,
            "speakers are to be distinguished, which the recognizer of this server does not do; leave diarization out",
        )
    words = () if config.names_trained_model else _vocabulary(config.language_model, language_code)
    phrases = tuple(dict.fromkeys((*config.phrases, *config.trained_phrases, *words)))
    if len(phrases) > recognizer.most_phrases:
        raise ClientError(
            Problem.INVALID_CONFIG,
            f"phrases and languageModel make {len(phrases)} phrases; the recognizer takes at most "
            f"{recognizer.most_phrases}",
        )
    is_closed = bool(words) or config.vocabulary == CLOSED_VOCABULARY
    if is_closed:
        _check_closed(phrases)
    return RecognitionOptions(
        language_code=language_code,
        max_alternatives=max(1, config.max_alternatives),
        interim_results=config.interim_results or config.is_adaptive,
        profanity_filter=config.profanity_filter,
        punctuation=config.punctuation,
        asr_model=config.asr_model,
        phrases=phrases,
        boost=config.boost,
        closed_vocabulary=is_closed,
        finds_endpoints_ms=config.hangover_ms if config.vad == OFF else None,
        is_file=config.is_file,
        first_pass_ms=first_pass_ms(config.hangover_ms) if config.is_adaptive else None,
        forces_endpoints=config.vad == OFF and recognizer.forces_endpoints(config.asr_model),
        writes_digits=config.numbers == DIGITS,
    )


def _check_closed(phrases: tuple[str, ...]) -> None:
    if not phrases:
        raise ClientError(
            Problem.INVALID_CONFIG,
            f"vocabulary is {CLOSED_VOCABULARY} without phrases; set phrases or a languageModel that has some",
        )
    try:
        closed_phrases(phrases)
    except TemplateError as error:
        raise ClientError(Problem.INVALID_CONFIG, f"phrases: {error}") from None


def _language(config: SessionConfig, recognizer: Recognizer) -> str:
    try:
        return recognizer.match_language(config.language_code)
    except LanguageNotServedError as error:
        served = ", ".join(error.served) or "none"
        detail = f"languageCode is {error.language_code}, which no model of this server recognizes; served: {served}"
        if advice := advice_for(error.language_code):
            detail += f"; {advice}"
        else:
            detail += (
                ". To serve another language, point NIYOSHA_MODEL at a Whisper model that knows it, "
                "or NIYOSHA_RIVA_URI at a Riva server that does"
            )
        raise ClientError(Problem.INVALID_CONFIG, detail) from None


def _vocabulary(name: str, language_code: str) -> tuple[str, ...]:
    if name == "general":
        return ()
    try:
        return vocabulary(name, language_code)
    except VocabularyLanguageError as error:
        raise ClientError(Problem.INVALID_CONFIG, f"languageModel is {name}: {error}") from None
