"""Convert the text of options and arguments into values of the most common types.

Since version 0.29, typer uses pydantic for this. Importing pydantic takes longer than everything
else that a command does before its job starts. Typer still converts types that are unknown here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import typer
from typer.core import TyperCommand, TyperGroup

Convert: TypeAlias = Callable[[Any], Any]
"""Takes the text of an option, or its default, and returns the value or raises ``ValueError``."""

WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]+")  # int() would take 4_43 and other scripts, too
TRUTHS: Final = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class PlainCommand(TyperCommand):
    """A command that converts the values of its parameters with the functions of this file."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _coerced_here(super().get_params(ctx), self.callback)


class PlainGroup(TyperGroup):
    """A group of commands that converts values in the same way as ``PlainCommand``."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _coerced_here(super().get_params(ctx), self.callback)


def can_be_typed(kind: Any) -> bool:
    """Return whether this file or typer can convert text into a value of a type.

    Since version 0.29, typer itself notices only when it converts a value that it cannot do so.
    """
    kind = _without_none(kind)
    if get_origin(kind) in (list, tuple):
        return all(can_be_typed(each) for each in get_args(kind) if each is not Ellipsis)
    by_typer = (float, datetime, UUID, Enum)
    return (
        kind is Parameter.empty  # typer goes by the default
        or _converter_of_one(kind, None) is not None
        or (isinstance(kind, type) and issubclass(kind, by_typer))
    )


def _coerced_here(parameters: list[Any], callback: Callable[..., Any] | None) -> list[Any]:
    """Return the parameters, changed to convert values here if this file knows their type."""
    new = [each for each in parameters if "process_value" not in vars(each)]
    declared = signature(callback, eval_str=True).parameters if new and callback else {}
    for parameter in new:
        named = declared.get(parameter.name)
        convert = _converter(named.annotation if named else bool)  # only --help is not declared
        if convert is not None:
            by_typer = parameter.process_value
            parameter.process_value = partial(_process, parameter, convert, by_typer)
    return parameters


def _process(
    parameter: Any, convert: Convert, by_typer: Callable[[Any, Any], Any], ctx: Any, value: Any
) -> Any:
    """Replace typer's ``process_value``, but leave the error for a missing value to typer."""
    if parameter.required and parameter.value_is_missing(value):
        return by_typer(ctx, value)
    if value is not None:
        try:
            value = convert(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=parameter) from error
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


def _converter(annotation: Any) -> Convert | None:
    """Return the converter for the type in ``Annotated[type, typer.Option(...)]``."""
    info: Any = None
    if get_origin(annotation) is Annotated:
        annotation, info = get_args(annotation)
    if info is not None and info.parser is not None:
        return None
    kind = _without_none(annotation)
    if get_origin(kind) is list:
        convert_one = _converter_of_one(get_args(kind)[0], info)
        return convert_one and partial(_to_list, convert_one)
    return _converter_of_one(kind, info)


def _without_none(kind: Any) -> Any:
    """Return ``T`` of ``T | None``, and any other type as it is."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    kinds = [each for each in get_args(kind) if each is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def _converter_of_one(kind: Any, info: Any) -> Convert | None:
    if kind is int:
        return partial(_to_int, info.min, info.max) if info else partial(_to_int, None, None)
    if get_origin(kind) is Literal and all(isinstance(each, str) for each in get_args(kind)):
        return partial(_to_choice, get_args(kind))
    simple: dict[Any, Convert] = {str: str, Path: _to_path, bool: _to_bool}
    return simple.get(kind)


def _to_list(convert: Convert, values: Sequence[Any]) -> list[Any]:
    return [convert(value) for value in values]


def _to_int(least: int | None, most: int | None, value: Any) -> int:
    if not WHOLE_NUMBER.fullmatch(str(value)):
        raise ValueError(f"{value!r} is not a whole number.")
    try:
        number = int(value)
    except ValueError:
        raise ValueError(f"a number of {len(value):,} digits is too large.") from None
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{number} is not in the range {_range_text(least, most)}.")
    return number


def _range_text(least: int | None, most: int | None) -> str:
    if most is None:
        return f"x>={least}"
    return f"x<={most}" if least is None else f"{least}<=x<={most}"


def _to_choice(choices: Sequence[str], value: str) -> str:
    if value not in choices:
        raise ValueError(f"{value!r} is not one of {', '.join(map(repr, choices))}.")
    return value


def _to_path(value: Any) -> Path:
    if not str(value):
        raise ValueError("the path is empty.")
    return Path(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return TRUTHS[value.strip().lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false.") from None
