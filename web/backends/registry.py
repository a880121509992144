"""The choice of the backend. A further one is a package beside the others, and an entry in `BACKENDS`."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from web.backends.backend import Backend, BackendKind, Host
from web.backends.embedded import backend as embedded
from web.backends.riva import backend as riva
from web.section import Section
from web.workers.share import Share

# By the names of their sections. The first that its settings choose is run. The embedded engine needs no setting, and
# comes last.
BACKENDS: Mapping[str, BackendKind[Any]] = {"riva": riva, "engine": embedded}


@dataclass(frozen=True, slots=True)
class ChosenBackend:
    """A backend with its settings."""

    kind: BackendKind[Any]
    settings: Section

    def running(self, *, watches: bool = True) -> AbstractAsyncContextManager[Backend]:
        """Run it while the context lasts; raises SettingsError."""
        return self.kind.running(self.settings, watches=watches)

    def hosted(self) -> AbstractAsyncContextManager[Host]:
        """Run what the workers of one server share while the context lasts; raises SettingsError."""
        return self.kind.hosted(self.settings)

    def joined(self, host: Host, share: Share) -> AbstractAsyncContextManager[Backend]:
        """Run it in a worker while the context lasts; raises SettingsError."""
        return self.kind.joined(self.settings, host, share)

    def parts(self) -> "Mapping[str, ChosenBackend]":
        """Return what is checked one by one, by title."""
        return {title: ChosenBackend(self.kind, part) for title, part in self.kind.parts(self.settings).items()}


def sections() -> dict[str, type[Section]]:
    """Return the class of each backend's settings."""
    return {name: kind.SETTINGS for name, kind in BACKENDS.items()}


def chosen_backend(settings: Mapping[str, Section]) -> ChosenBackend:
    """Return the backend that the settings of all backends choose."""
    return next(
        ChosenBackend(kind, settings[name]) for name, kind in BACKENDS.items() if kind.is_chosen(settings[name])
    )
