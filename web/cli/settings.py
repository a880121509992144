"""Settings for a command."""

from collections.abc import Mapping

from web.observability.logs import hide
from web.settings.settings import Settings, read_settings


def settings_for(overrides: Mapping[str, object]) -> Settings:
    """Read the settings, and keep their secrets out of what is logged from now on; raises SettingsError."""
    settings = read_settings(overrides)
    hide(settings.secrets)
    return settings
