"""The choice of the backend. A further one is a package beside the others, and an entry in `BACKENDS`."""

from web.backends.backend import BackendKind
from web.backends.embedded import backend as embedded
from web.backends.riva import backend as riva
from web.settings.settings import Settings

# The first that the settings choose is run. The embedded engine needs no setting, and comes last.
BACKENDS: tuple[BackendKind, ...] = (riva, embedded)


def chosen_backend(settings: Settings) -> BackendKind:
    """Return the backend that the settings choose."""
    return next(kind for kind in BACKENDS if kind.is_chosen(settings))
