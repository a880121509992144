"""Which origins may be allowed."""

import pytest

from web.settings.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    "origin", ["app.example", "https://user@app.example", "https://app.example/", "*", "https://*.example", "null"]
)
def test_a_setting_that_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="is no origin"):
        read_settings({"allowed_origins": (origin,)})
