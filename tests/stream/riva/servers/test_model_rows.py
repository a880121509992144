import pytest
from riva.client.proto import riva_asr_pb2 as pb

from stream.riva.servers.discovery import has_ability, languages, mode, online_languages


def row(**parameters: str) -> pb.RivaSpeechRecognitionConfigResponse.Config:
    return pb.RivaSpeechRecognitionConfigResponse.Config(model_name="m", parameters=parameters)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "online"),
        ({"type": "online"}, "online"),
        ({"type": "Online", "streaming": "True", "offline": "False"}, "online"),
        ({"type": "streaming"}, "online"),
        ({"type": "offline"}, "offline"),
        ({"type": "OFFLINE", "streaming": "true"}, "offline"),
        ({"streaming": "True"}, "online"),
        ({"streaming": "False"}, "offline"),
        ({"streaming": "0", "offline": "1"}, "offline"),
        ({"offline": "True"}, "offline"),
        ({"offline": "false"}, "online"),
        ({"offline": "True", "streaming": "True"}, "online"),
        ({"streaming": "perhaps"}, "online"),
        ({"type": " "}, "online"),
    ],
)
def test_whether_a_model_streams_is_read_as_servers_write_it(parameters: dict[str, str], expected: str) -> None:
    assert mode(parameters) == expected


def test_a_row_may_list_several_languages() -> None:
    assert languages({"language_code": "en-US, es-US,,en-US ,fa-IR"}) == ("en-US", "es-US", "fa-IR")
    assert languages({}) == ()


def test_languages_are_those_of_streaming_models() -> None:
    rows = [
        row(language_code="en-US", type="online"),
        row(language_code="ru-RU", type="offline"),
        row(language_code="de-DE, fr-FR", streaming="True"),
        row(language_code="it-IT", offline="True"),
        row(language_code="en-US"),
    ]
    assert online_languages(rows) == ("en-US", "de-DE", "fr-FR")


def test_abilities_are_what_a_model_says_of_itself() -> None:
    rows = [row(), row(closed_vocabulary="True", stable_words="false")]
    assert has_ability(rows, "closed_vocabulary")
    assert not has_ability(rows, "stable_words")
