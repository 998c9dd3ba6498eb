"""``onevoice serve``, ``worker``, ``db``, ``queue``: registered in ``onevoice.commands``."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import ceil
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from onevoice.errors import ConfigError, ServiceUnavailable
from onevoice.server.settings import PREFIX, ServerSettings, load_settings

if TYPE_CHECKING:
    from onevoice.server.db import Database

T = TypeVar("T")

_out = Console(highlight=False)
_QUEUES_BY_DEFAULT = ("tasks", "cpu")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8300,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Start the API. With nothing set: SQLite, a folder, and a worker in the process.

    onevoice serve
    """
    import uvicorn

    _check_system()
    settings = load_settings()
    if workers > 1 and not settings.sqs_prefix:
        raise ConfigError(
            "several processes need a queue they share",
            hint=f"set {PREFIX}SQS_PREFIX, or leave out --workers",
        )
    port = _free_port(host, port)
    if settings.environment == "local" and f"{PREFIX}PUBLIC_URL" not in os.environ:
        # What links and local uploads lead to is this very server.
        os.environ[f"{PREFIX}PUBLIC_URL"] = f"http://{_reachable(host)}:{port}"
        settings = load_settings()
    if settings.environment == "hosted":
        from onevoice.server.auth.tokens import load_keys

        load_keys(settings)
        run_async(settings, _require_tables)
    else:
        run_async(settings, _migrate)
        _out.print(f"OneVoice on {settings.public_url} (API: {settings.public_url}/docs)")
        _out.print(f"Data and mails are in {settings.data_dir}", soft_wrap=True)
    uvicorn.run(
        "onevoice.server.app:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="auto",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, ceil(settings.drain_seconds)),
    )


def worker(
    queue: Annotated[
        list[str] | None,
        typer.Option(help="Queue to work on (tasks, cpu, gpu); several may be given."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Tasks at once.")] = 1,
) -> None:
    """Work on tasks of the queues until asked to stop; then finish, or give the work back.

    onevoice worker --queue gpu --queue tasks --concurrency 2
    """
    from onevoice.server.logs import configure_logs
    from onevoice.server.worker.run import in_order, run_worker

    _check_system()
    settings = load_settings()
    queues = tuple(queue or _QUEUES_BY_DEFAULT)
    in_order(queues)
    if not settings.sqs_prefix:
        raise ConfigError(
            "a worker of its own needs a queue it shares with the server",
            hint=f"set {PREFIX}SQS_PREFIX; a local server has a worker inside it",
        )
    run_async(settings, _require_tables)
    configure_logs(settings)
    asyncio.run(run_worker(settings, queues, concurrency))


db = typer.Typer(
    help="The server's database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
queue = typer.Typer(
    help="The server's queues.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@db.command("upgrade")
def db_upgrade(
    revision: Annotated[str, typer.Argument(help="To which revision.")] = "head",
) -> None:
    """Run the migrations."""
    from onevoice.server import migrate

    async def work(settings: ServerSettings) -> str | None:
        async with _database(settings) as database:
            await migrate.upgrade(database, revision)
            return await migrate.current(database)

    _out.print(f"The database is at {run_async(load_settings(), work)}.")


@db.command("downgrade")
def db_downgrade(
    revision: Annotated[str, typer.Argument(help="To which revision; base for nothing at all.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take migrations back. What only newer tables hold is lost."""
    from onevoice.server import migrate

    if not yes:
        typer.confirm(f"Data of newer tables will be lost. Go back to {revision}?", abort=True)

    async def work(settings: ServerSettings) -> str | None:
        async with _database(settings) as database:
            await migrate.downgrade(database, revision)
            return await migrate.current(database)

    _out.print(f"The database is at {run_async(load_settings(), work) or 'nothing'}.")


@db.command("current")
def db_current() -> None:
    """Say which revision the database is at, and which is the newest."""
    from onevoice.server import migrate

    async def work(settings: ServerSettings) -> str | None:
        async with _database(settings) as database:
            return await migrate.current(database)

    at = run_async(load_settings(), work)
    _out.print(f"The database is at {at or 'nothing'}; the newest is {migrate.head()}.")
    raise typer.Exit(0 if at == migrate.head() else 1)


@db.command("check")
def db_check() -> None:
    """Compare tables with the code, and books with balances."""
    from onevoice.server import migrate
    from onevoice.server.billing import ledger

    async def work(settings: ServerSettings) -> list[str]:
        async with _database(settings) as database:
            await migrate.require_head(database)
            wrong = [str(change) for change in await migrate.drift(database)]
            if not wrong:
                async with database.session() as session:
                    wrong += [str(one) for one in await ledger.check(session)]
            return wrong

    wrong = run_async(load_settings(), work)
    for line in wrong:
        _out.print(line, markup=False)
    _out.print("The tables and the ledger agree." if not wrong else f"{len(wrong)} things differ.")
    raise typer.Exit(1 if wrong else 0)


@queue.command("create")
def queue_create() -> None:
    """Make the queues and their dead-letter queues, where they are missing."""
    from onevoice.server.queue.sqs import SqsQueue

    async def work(settings: ServerSettings) -> None:
        queues = SqsQueue(settings)
        try:
            await queues.create_queues()
        finally:
            await queues.close()

    run_async(_shared_queue(), work)
    _out.print("The queues are there.")


@queue.command("status")
def queue_status() -> None:
    """How much waits in each queue, is under way, and lies in its dead-letter queue."""
    from onevoice.server.queue import make_queue
    from onevoice.server.queue.base import QUEUES, Depth

    async def work(settings: ServerSettings) -> list[tuple[str, Depth, Depth]]:
        queues = make_queue(settings)
        try:
            return [
                (name, await queues.depth(name), await queues.depth(name, dead=True))
                for name in QUEUES
            ]
        finally:
            await queues.close()

    table = Table("Queue", "Waiting", "Under way", "Delayed", "Dead", box=None)
    for name, depth, dead in run_async(_shared_queue(), work):
        row = (depth.waiting, depth.in_flight, depth.delayed, dead.waiting)
        table.add_row(name, *(str(number) for number in row))
    _out.print(table)


@queue.command("redrive")
def queue_redrive(
    name: Annotated[str, typer.Argument(help="The queue whose dead letters go back to it.")],
) -> None:
    """Send what lies in a dead-letter queue back to its queue."""
    from onevoice.server.queue import make_queue

    async def work(settings: ServerSettings) -> int:
        queues = make_queue(settings)
        try:
            return await queues.redrive(name)
        finally:
            await queues.close()

    moved = run_async(_shared_queue(), work)
    _out.print(f"{moved} {'message goes' if moved == 1 else 'messages go'} round again.")


def run_async(settings: ServerSettings, work: Callable[[ServerSettings], Awaitable[T]]) -> T:
    """Run a coroutine function with the settings, in a loop of its own."""

    async def main() -> T:
        return await work(settings)

    return asyncio.run(main())


async def _migrate(settings: ServerSettings) -> None:
    from onevoice.server import migrate

    async with _database(settings) as database:
        await migrate.upgrade(database)


async def _require_tables(settings: ServerSettings) -> None:
    from onevoice.server import migrate

    async with _database(settings) as database:
        await migrate.require_head(database)


@asynccontextmanager
async def _database(settings: ServerSettings) -> AsyncIterator[Database]:
    """The database. What goes wrong with it is told without its address, which has a password."""
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from onevoice.server.db import Database

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings)
    try:
        yield database
    except CommandError as exc:
        raise ConfigError(str(exc), hint="onevoice db current tells the newest") from exc
    except (SQLAlchemyError, OSError) as exc:
        cause = getattr(exc, "orig", None) or exc
        raise ServiceUnavailable(
            f"the database cannot be worked with: {type(cause).__name__}",
            hint=f"see that {PREFIX}DATABASE_URL is right, and that the database takes connections",
        ) from exc
    finally:
        await database.close()


def _check_system() -> None:
    """Raises ConfigError where the processes of dubs could not be watched over."""
    if os.name != "posix":
        raise ConfigError(
            "the server runs on Linux and macOS",
            hint="on Windows use WSL or a container; onevoice dub itself needs neither",
        )


def _free_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises ConfigError before anything is begun if it is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family) as listener:
            return int(listener.getsockname()[1])
    except OSError as exc:
        reason = str(exc.strerror or exc).partition(" (")[0]
        raise ConfigError(
            f"{host} port {port} cannot be listened on: {reason}",
            hint="choose another with --port, or --port 0 for any that is free",
        ) from exc


def _reachable(host: str) -> str:
    """The host as a URL on this machine names it."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 (compared, not listened on)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _shared_queue() -> ServerSettings:
    """The settings. Raises ConfigError where the queue lives inside the server."""
    settings = load_settings()
    if not settings.sqs_prefix:
        raise ConfigError(
            "the queue of a local server lives inside it",
            hint=f"set {PREFIX}SQS_PREFIX to work with the queues of SQS",
        )
    return settings
