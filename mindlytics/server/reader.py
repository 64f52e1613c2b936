"""Reading a database without a server, beside those that may use it. It is neither made nor migrated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from .apps import App
from .database import Database, database_at
from .schema import REVISION, StoreError, apps


@contextmanager
def reader(place: str | Path) -> Iterator[Connection]:
    """A connection that cannot write. Begin a transaction for each read.

    :raises StoreError: there is no database, or it is another program's or version's.
    """
    database = database_at(place)
    database.check_present()
    try:
        connection = database.reading(_never)
    except DBAPIError as error:
        raise _error(database, error) from None
    try:
        _check(database, connection)
        yield connection
    except DBAPIError as error:
        cause = database.unavailable(error) or error.orig
        raise StoreError(f"{database.name} cannot be read: {cause}") from None
    finally:
        connection.close()
        database.dispose()


def _check(database: Database, connection: Connection) -> None:
    """Check that the tables are ours, and of the present version.

    :raises StoreError: they are not.
    """
    try:
        with connection.begin():
            revision = database.revision(connection) or ""
    except DBAPIError as error:
        raise _error(database, error) from None
    if not revision.isdigit():
        raise StoreError(f"{database.name} is a database of another program")
    if revision > REVISION:
        raise StoreError(f"{database.name} was written by a newer version of mindlytics")
    if revision != REVISION:
        earlier = "was written by an earlier version of mindlytics"
        raise StoreError(f"{database.name} {earlier}: `mindlytics serve --db` upgrades it")


def app_of_project(connection: Connection, project: str | None) -> App:
    """The project's app. Without a name, the only one that there is.

    :raises StoreError: there is none, or several. Those of one name in several organizations need a server and a key.
    """
    query = select(apps.c.scope, apps.c.organization_id, apps.c.app_id).order_by(apps.c.app_id)
    if project is not None:
        query = query.where(apps.c.app_id == project)
    found = [App(*row) for row in connection.execute(query)]
    if len(found) == 1:
        return found[0]
    names = list(dict.fromkeys(app.app_id for app in found))
    if len(names) > 1:
        raise StoreError(f"name one of the projects: {', '.join(names[:10])}")
    if found:
        raise StoreError(
            f"{len(found)} organizations have a project {names[0]}: ask a server, with the key of one of them"
        )
    raise StoreError("there is nothing in the database" if project is None else f"there is no project {project}")


def _never() -> bool:
    return False


def _error(database: Database, error: DBAPIError) -> StoreError:
    reason = str(error.orig).strip().partition("\n")[0]
    return StoreError(f"{database.name} is no database of mindlytics, or cannot be read: {reason}")
