import pytest

from web.backends.embedded.settings import EngineSettings


@pytest.mark.parametrize(
    ("model", "models"),
    [(None, ()), ("/models/base", ("/models/base",)), ("bundled, org/name", ("bundled", "org/name"))],
)
def test_several_models_are_separated_by_commas(model: str | None, models: tuple[str, ...]) -> None:
    assert EngineSettings(model=model).models == models
