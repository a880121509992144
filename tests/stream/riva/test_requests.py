from stream.riva.requests import RequestOptions, opening_request
from stream.session.events import RecognitionOptions


def test_the_opening_request_asks_for_what_the_session_wants() -> None:
    streaming = opening_request(
        RecognitionOptions("en-US", 3, interim_results=False), RequestOptions()
    ).streaming_config
    assert not streaming.interim_results
    config = streaming.config
    assert (config.language_code, config.max_alternatives, config.sample_rate_hertz) == ("en-US", 3, 16000)
    assert config.enable_word_time_offsets
    assert config.endpointing_config.stop_history >= 20_000


def test_every_option_reaches_the_request() -> None:
    options = RecognitionOptions(
        "en-US",
        profanity_filter=False,
        punctuation=False,
        phrases=("Riva", "Niyosha"),
        boost=40.0,
        closed_vocabulary=True,
        finds_endpoints_ms=700,
    )
    config = opening_request(
        options,
        RequestOptions(models={"default": "tele", "video": "film"}),
        knows_closed_vocabularies=True,
        promises_stable_words=True,
    ).streaming_config.config
    assert not config.profanity_filter
    assert not config.enable_automatic_punctuation
    assert config.model == "tele"
    assert [(list(c.phrases), c.boost) for c in config.speech_contexts] == [(["Riva", "Niyosha"], 40.0)]
    assert dict(config.custom_configuration) == {"closed_vocabulary": "true", "stable_words": "true"}
    assert config.endpointing_config.stop_history == 700


def test_a_server_is_asked_for_nothing_that_it_does_not_promise() -> None:
    config = opening_request(
        RecognitionOptions("en-US", phrases=("yes",), closed_vocabulary=True), RequestOptions()
    ).streaming_config.config
    assert not config.custom_configuration
    assert len(config.speech_contexts) == 1
    assert not opening_request(RecognitionOptions("en-US"), RequestOptions()).streaming_config.config.speech_contexts


def test_a_server_without_closed_vocabularies_gets_the_alternatives_written_out() -> None:
    options = RecognitionOptions("en-US", phrases=("lamp {on,off}", "{digits:4}"), closed_vocabulary=True)
    config = opening_request(options, RequestOptions()).streaming_config.config
    assert [list(context.phrases) for context in config.speech_contexts] == [["lamp on", "lamp off"]]


def test_a_server_may_be_left_to_its_own_endpoints() -> None:
    config = opening_request(RecognitionOptions("en-US"), RequestOptions(stop_history_ms=0)).streaming_config.config
    assert not config.HasField("endpointing_config")
    continuous = opening_request(RecognitionOptions("en-US", finds_endpoints_ms=700), RequestOptions(stop_history_ms=0))
    assert continuous.streaming_config.config.endpointing_config.stop_history == 700


def test_what_the_server_wants_configured_goes_to_it_as_it_is() -> None:
    request = opening_request(
        RecognitionOptions("en-US"), RequestOptions(custom_configuration={"apply_partial_itn": "true"})
    )
    assert dict(request.streaming_config.config.custom_configuration) == {"apply_partial_itn": "true"}


def test_speakers_are_asked_for_only_where_they_are_set() -> None:
    config = opening_request(RecognitionOptions("en-US"), RequestOptions(most_speakers=3)).streaming_config.config
    assert config.diarization_config.enable_speaker_diarization
    assert config.diarization_config.max_speaker_count == 3
    assert not opening_request(RecognitionOptions("en-US"), RequestOptions()).streaming_config.config.HasField(
        "diarization_config"
    )


def test_an_early_text_is_asked_for_with_and_without_endpoints_of_our_own() -> None:
    session = RecognitionOptions("en-US", first_pass_ms=150)
    endpointing = opening_request(session, RequestOptions()).streaming_config.config.endpointing_config
    assert (endpointing.stop_history, endpointing.stop_history_eou) == (30_000, 150)
    endpointing = opening_request(session, RequestOptions(stop_history_ms=0)).streaming_config.config.endpointing_config
    assert (endpointing.stop_history, endpointing.stop_history_eou) == (0, 150)
