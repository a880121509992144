"""Import a module on first use, so that a process pays only for what it needs."""

from importlib import import_module
from types import ModuleType


class _LazyModule(ModuleType):
    """A stand-in for a module, which is imported when an attribute is first asked for."""

    def __getattr__(self, name: str) -> object:
        return getattr(import_module(self.__name__), name)


def lazy_import(name: str) -> ModuleType:
    """Return a stand-in for the module of this absolute name.

    Type checkers and import contracts see the real module where the caller imports it for them:

        if TYPE_CHECKING:
            import jwt
        else:
            jwt = lazy_import("jwt")
    """
    return _LazyModule(name)
