"""Options for keys: as an argument, in the environment, or in a file. An empty key is an error.

Otherwise ``--api-key "$KEY"`` with an unset variable would start a server that is open to all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

import click

from ..dotenv_file import read
from ..errors import InvalidSetting
from ..settings import DOTENV


def key_option(name: str, envvar: str, help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option for a key. An empty environment variable is an error, like an empty argument."""
    return click.option(name, envvar=envvar, help=f"{help} Or set {envvar}.", callback=_not_empty)


def key_file_option(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option for a file that holds a key. ``-`` is stdin."""
    return click.option(
        f"{name}-file",
        type=click.File(),
        metavar="FILE",
        help=f"Read the {name[2:].replace('-', ' ')} from this file (-: stdin).",
    )


def dotenv_option(command: Callable[..., None]) -> Callable[..., None]:
    """The option for a file of variables. A variable of the environment wins over the file's."""
    return click.option(
        "--dotenv",
        envvar=DOTENV,
        metavar="FILE",
        help=f"Read variables such as MLSDK_API_KEY from this file. Or set {DOTENV}.",
        expose_value=False,
        callback=_fill_environment,
    )(command)


def _fill_environment(_: click.Context, __: click.Parameter, file: str | None) -> None:
    if file:
        try:
            variables = read(file)
        except InvalidSetting as error:
            raise click.UsageError(str(error)) from None
        for name, value in variables.items():
            os.environ.setdefault(name, value)


def key_of(name: str, key: str | None, file: IO[str] | None) -> str | None:
    """The key from an option or its file.

    :raises click.UsageError: both are set, or the file is empty.
    """
    if file is None:
        return key
    if key is not None:
        raise click.UsageError(f"{name} and {name}-file cannot be used together")
    try:
        key = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{name}-file: cannot read {file.name}: {error}") from None
    if not key:
        raise click.UsageError(f"{name}-file: {file.name} is empty")
    return key


def _not_empty(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise click.BadParameter("it is empty")
    if text is None and isinstance(option.envvar, str) and option.envvar in os.environ:
        raise click.BadParameter(f"{option.envvar} is empty: unset it or set a value")
    return text
