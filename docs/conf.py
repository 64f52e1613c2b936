"""How the documentation is built, and what in it is made from the code."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin

from attrs import fields

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

from mindlytics import __version__, errors
from mindlytics.delivery.account import Reason
from mindlytics.setting_rules import variable
from mindlytics.settings import Settings

project = "mindlytics"
author = copyright = "The mindlytics authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"mindlytics {version}"
myst_heading_anchors = 3

autoclass_content = "class"
# Libraries of integrations, none of which is installed to build this.
autodoc_mock_imports = [
    "agents",
    "asgiref",
    "django",
    "flask",
    "langchain_core",
    "litellm",
    "llama_index",
    "opentelemetry",
    "pydantic_ai",
]
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "inherited-members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"AnySession": "AnySession"}


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def table_of_settings() -> str:
    """Every setting, from its metadata."""
    rows = [row("setting", "in the environment", "type", "default", "meaning"), row(*["---"] * 5)]
    for attribute in fields(Settings):
        name = variable(attribute) if attribute.metadata["read"] is not None else ""
        default = "" if attribute.default == "" else f"`{attribute.default!r}`"
        rows.append(
            row(
                f"`{attribute.name}`",
                f"`{name}`" if name else "",
                f"`{attribute.type}`",
                default,
                attribute.metadata["help"],
            )
        )
    return "\n".join(rows)


def table_of_reasons() -> str:
    """Every reason for which an event is dropped, with the docstring that follows it in the source."""
    (body,) = ast.parse(inspect.getsource(Reason)).body
    meanings = [
        " ".join(statement.value.value.split()).replace("``", "`")
        for statement in cast(ast.ClassDef, body).body[1:]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    ]
    rows = [row("reason", "meaning", "a loss"), row(*["---"] * 3)]
    for reason, meaning in zip(Reason, meanings, strict=True):
        rows.append(row(f"`{reason.value}`", meaning, "yes" if reason.is_loss else "no"))
    return "\n".join(rows)


def tree_of_errors() -> str:
    """The tree in the docstring of ``errors.py``."""
    return "\n".join(["```text", *(errors.__doc__ or "").split("\n\n")[1].splitlines(), "```"])


MADE = {
    "table of settings": ("settings", table_of_settings),
    "table of reasons": ("errors", table_of_reasons),
    "tree of errors": ("errors", tree_of_errors),
}
"""What is made from the code: the page that holds it, between two comments."""


def fill_in() -> None:
    """Put what is made from the code into the pages. A test checks that they hold it."""
    for name, (page, make) in MADE.items():
        path = Path(__file__).with_name(f"{page}.md")
        before, begin, rest = path.read_text("utf-8").partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of the {name} -->\n")
        path.write_text(f"{before}{begin}\n{make()}\n\n{end}{after}", "utf-8")


PLAIN = {
    r"(?<!\w)~?mindlytics(\.\w+)*\.": "",  # where it is defined
    r"BaseSession(\[[^\]]*\])?": "Session | AsyncSession",
    r"ServiceClient\[BlockingPipeline\]": "AlignAI",  # the only one that a client takes as a destination
    r"ServiceClient\[AsyncPipeline\]": "AsyncAlignAI",
    r": [\w~.]*Unpack\[\w+\]": "",
    r"= NOTHING": "= …",  # made anew for each
    r"^Done$": "None | Awaitable[None]",
}
"""What the reference shows in place of the names that the package uses inside."""
MADE_BY_CALLS = ("Session", "AsyncSession", "Sessions", "Messages", "SurveySubmissions", "Agents", "Rows")
"""Classes that programs do not make themselves."""


def types_of_face(kind: type) -> dict[str, str]:
    """What the type variables of a face's base classes stand for, by name."""
    found = {"Self": kind.__name__}
    for base in kind.__mro__:
        for generic in vars(base).get("__orig_bases__", ()):
            origin = get_origin(generic)
            for parameter, value in zip(getattr(origin, "__parameters__", ()), get_args(generic), strict=False):
                if not isinstance(value, TypeVar):
                    found.setdefault(parameter.__name__, shown(value))
    return found


def shown(value: Any) -> str:
    """A type as a program writes it."""
    value = getattr(value, "__forward_arg__", value)
    text = value.__name__ if inspect.isclass(value) else re.sub(r"\w+\.", "", str(value))
    return text.replace("NoneType", "None")


def as_the_face_has_it(
    _: Sphinx, what: str, name: str, __: object, ___: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A signature with the types of the face that a page shows it of."""
    place, _, member = name.rpartition(".")
    if what == "class" and member in MADE_BY_CALLS:
        return "", returned
    kind = find(name if what == "class" else place)
    if inspect.isclass(kind):
        plainer = {rf"\b{name}\b": value for name, value in types_of_face(kind).items()} | PLAIN
    else:
        plainer = PLAIN
    for pattern, plain in plainer.items():
        signature, returned = (text and re.sub(pattern, plain, text) for text in (signature, returned))
    return signature, returned


def find(name: str) -> Any:
    """The module or class of that name."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        place, _, member = name.rpartition(".")
        return getattr(find(place), member)


def without_pydantics_names(_: Sphinx, __: str, name: str, ___: object, skip: bool, ____: object) -> bool:
    """Leave out the fields by pydantic's name: the reference shows them as attributes."""
    return skip or name == "model_fields"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", as_the_face_has_it)
    app.connect("autodoc-skip-member", without_pydantics_names)


if __name__ == "__main__":
    fill_in()
