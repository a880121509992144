"""Convert JSON objects to the structs that describe requests, and word what is refused."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from stream.errors import ClientError, Problem
from web.rest.request.body import check_keys

Kind = TypeVar("Kind", bound=msgspec.Struct)
_PATH = re.compile(r"at `\$\.?([^`]+)`$")
_MISSING_FIELD = re.compile(r"missing required field `([^`]+)`")
_STEP = re.compile(r"[^.\[\]]+")
MISSING = object()


def converted(
    values: dict[str, object],
    kind: type[Kind],
    show: Callable[[object], str],
    given: Mapping[str, object] | None = None,
) -> Kind:
    """Convert an object to a struct; raises ClientError naming the key, the value and what is allowed.

    `given` has the values as they were sent, where `values` are cleaned; `show` words a value, or `MISSING`.
    """
    check_keys(values, *field_names(kind))
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        sentence = _sentence(str(error), kind, values if given is None else given, show)
        raise ClientError(Problem.INVALID_CONFIG, sentence) from None


def field_names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The keys of a struct, as JSON has them."""
    return kind.__struct_encode_fields__


def _sentence(error: str, kind: type[msgspec.Struct], given: object, show: Callable[[object], str]) -> str:
    where = _PATH.search(error) or _MISSING_FIELD.search(error)
    key = where[1] if where else ""
    info: Any = inspect.type_info(kind)
    for step in _STEP.findall(key):
        info = _inside(info, step)
        given = given.get(step, MISSING) if isinstance(given, dict) else given[int(step)]  # type: ignore[index]
    allowed, most = _allowed(info)
    if isinstance(given, list) and most is not None and len(given) > most:
        return f"{key} has {len(given)} entries; it must be {allowed}"
    return f"{key} is {show(given)}; it must be {allowed}"


def _inside(info: Any, step: str) -> Any:
    """The type of a field of a struct, or of an item of a list."""
    match _bare(info):
        case inspect.StructType(fields=fields):
            return next(field.type for field in fields if field.encode_name == step)
        case inspect.ListType(item_type=item):
            return item
        case other:
            raise TypeError(f"{other} has nothing inside")


def _bare(info: Any) -> Any:
    """The type without its description, and without what stands for a value that is not set."""
    while isinstance(info, inspect.Metadata | inspect.UnionType):
        info = info.type if isinstance(info, inspect.Metadata) else info.types[0]
    return info


def _allowed(info: Any) -> tuple[str, int | None]:
    """What a value must be, in words, and the most items of a list."""
    extra = (info.extra or {}) if isinstance(info, inspect.Metadata) else {}
    match _bare(info):
        case inspect.BoolType():
            words, most = "true or false", None
        case inspect.FloatType(ge=least, le=greatest):
            words, most = f"between {least:g} and {greatest:g}", None
        case inspect.ListType(max_length=most):
            words = "a list"
        case inspect.StrType(min_length=least, max_length=longest) if longest is not None:
            words, most = f"{least} to {longest} characters", None
        case _:
            words, most = "a text", None
    return extra.get("allowed", words), most
