import pytest

from stream.recognition.languages import matching_language


@pytest.mark.parametrize(
    ("requested", "match"),
    [("en-US", "en-US"), ("EN-gb", "en-GB"), ("en", "en-US"), ("en-AU", "en-US"), ("fa", None), ("e", None)],
)
def test_a_language_is_matched_exactly_or_by_its_primary_subtag(requested: str, match: str | None) -> None:
    assert matching_language(requested, ("en-US", "en-GB", "de-DE")) == match


def test_english_without_a_country_is_that_of_the_united_states_where_there_is_a_choice() -> None:
    assert matching_language("en", ["en-GB", "en-US"]) == "en-US"
    assert matching_language("fa", ["fa-AF", "fa-IR"]) == "fa-IR"
    assert matching_language("en", ["de-DE", "en-GB"]) == "en-GB"
