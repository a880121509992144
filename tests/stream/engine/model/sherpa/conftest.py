"""A tone model of each kind, loaded once for all tests of this folder."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from stream.engine.model.models import load_models
from stream.engine.model.sherpa.files import Kind
from tests.support.models.kinds import written


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Any]:
    """Return the model of a kind."""

    @cache
    def load(kind: Kind) -> Any:
        (model,) = load_models([str(written(kind, tmp_path_factory.mktemp("models")))], 1)
        return model

    return load
