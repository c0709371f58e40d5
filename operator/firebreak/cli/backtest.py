"""What would Firebreak have done over this history? From manifests and a metrics store, or a file; needs no cluster."""

import asyncio
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from firebreak.api.v1alpha1.quantities import parse_duration
from firebreak.app.clock import SystemClock

if TYPE_CHECKING:
    from firebreak.app.backtest.session import Of
    from firebreak.app.backtest.what_if import Change


class Output(StrEnum):
    """How the answer is written to stdout."""

    TEXT = "text"
    JSON = "json"


def backtest(
    filename: Annotated[
        list[Path],
        typer.Option("--filename", "-f", help="Manifests: the AIService, its policy and indicators; repeatable."),
    ],
    source: Annotated[
        str | None, typer.Option("--source", help="URL of a Prometheus-compatible store, without /api/v1.")
    ] = None,
    openmetrics: Annotated[
        Path | None,
        typer.Option("--openmetrics", help="A file in OpenMetrics format with timestamps; .gz is read too."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="RFC 3339, or how long ago, such as 7d. Default: 7d, or all of the file."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="As --from. Default: now, or the file's end.")] = None,
    service: Annotated[
        str | None, typer.Option("--service", "-s", help="Which AIService, if there are several.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of manifests that name none. Default: default.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="To stdout.")] = Output.TEXT,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one self-contained page with pictures; needs plotly.")
    ] = None,
    healthy: Annotated[
        list[str] | None,
        typer.Option("--healthy", help="FROM/TO: a containment in there is a false one; repeatable."),
    ] = None,
    deployed: Annotated[
        list[str] | None,
        typer.Option("--deployed", help="MOMENT=REVISION: for metrics without a revision label; repeatable."),
    ] = None,
    assume: Annotated[
        str, typer.Option("--assume", help="What follows a rollback: helps, or nothing (to see the next steps).")
    ] = "helps",
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            help="target=97%, arl=30d, sampling=25% or unmeasured=Hold; repeatable. none: nothing. Default: a table of "
            "usual changes.",
        ),
    ] = None,
    warm_up: Annotated[
        str | None, typer.Option("--warm-up", help="How much history before --from is read. Default: 1500 steps.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Sent as X-Scope-OrgID.")] = None,
    bearer_token_file: Annotated[
        Path | None, typer.Option("--bearer-token-file", help="A file that holds a bearer token.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="For one query to the store.")] = "30s",
) -> None:
    """When it would have acted on a history, on what, and how many bad answers that would have spared."""
    from firebreak.adapters.openmetrics import FileUnusable
    from firebreak.adapters.prometheus import Endpoint
    from firebreak.app import logs
    from firebreak.app.backtest.manifests import ManifestRefused
    from firebreak.app.backtest.session import Asked, NothingToJudge, answer
    from firebreak.app.backtest.simulation import Assume
    from firebreak.cli.backtest_text import Bar, told
    from firebreak.cli.show import tell
    from firebreak.core.ports_metrics import MetricsError

    logs.configure("error")
    if (source is None) == (openmetrics is None):
        _end("give exactly one of --source and --openmetrics: where is the history?")
    if html is not None and find_spec("plotly") is None:
        _end("--html needs plotly: pip install 'firebreak[backtest]'")
    if source is not None and not source.startswith(("http://", "https://")):
        _end(f"--source {source}: must be an http or https URL, such as http://prometheus:9090")
    now = SystemClock().now()
    token = _read(bearer_token_file)
    if assume not in list(Assume):
        _end(f"--assume {assume}: must be helps or nothing")
    asked = Asked(
        files=tuple(filename),
        history=openmetrics
        or Endpoint(
            url=(source or "").rstrip("/"), timeout=_duration("--timeout", timeout), tenant=tenant, bearer_token=token
        ),
        start=_moment("--from", start, now),
        end=_moment("--to", end, now),
        now=now,
        service=service,
        namespace=namespace,
        healthy=tuple(_span(one, now) for one in healthy or ()),
        deployed=tuple(_deployed(one, now) for one in deployed or ()),
        assume=Assume(assume),
        warm_up=_duration("--warm-up", warm_up) if warm_up is not None else None,
        changes=_changes(what_if),
    )
    try:
        with Bar() as bar:
            found = asyncio.run(answer(asked, bar.progress))
    except (ManifestRefused, FileUnusable, NothingToJudge, MetricsError) as error:
        _end(str(error))
    if html is not None:
        _write(html, found)
    if output is Output.JSON:
        import orjson

        typer.echo(orjson.dumps(found.report.dump(), option=orjson.OPT_INDENT_2).decode())
    else:
        tell(told(found.report))


def _write(html: Path, found: "Of") -> None:
    from firebreak.app.backtest.page import page_of

    try:
        html.write_text(page_of(found.report, found.replayed), encoding="utf-8")
    except OSError as error:
        _end(f"--html {html}: {error.strerror or error}")


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        _end(f"--bearer-token-file {file}: {error.strerror or error}")


def _duration(option: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        _end(f"{option} {text}: {error}")


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """RFC 3339 (UTC where no zone is named), or a duration before now."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_duration(text)
        except ValueError:
            _end(f"{option} {text}: must be a moment such as 2026-05-04T03:00:00Z, or how long ago, such as 7d")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _span(text: str, now: datetime) -> tuple[datetime, datetime]:
    parts = text.split("/")
    moments = [_moment("--healthy", part, now) for part in parts if part] if len(parts) == 2 else []
    if len(moments) != 2 or moments[0] is None or moments[1] is None or moments[0] >= moments[1]:
        _end(f"--healthy {text}: must be FROM/TO with FROM before TO")
    return moments[0], moments[1]


def _deployed(text: str, now: datetime) -> tuple[datetime, str]:
    moment, _, revision = text.partition("=")
    at = _moment("--deployed", moment, now)
    if at is None or not revision:
        _end(f"--deployed {text}: must be MOMENT=REVISION, such as 2026-05-04T03:00:00Z=1.5")
    return at, revision


def _changes(texts: list[str] | None) -> "tuple[Change, ...]":
    from firebreak.app.backtest.what_if import ChangeRefused, parsed_change, usual_changes

    if texts is None:
        return usual_changes()
    try:
        return tuple(parsed_change(text) for text in texts if text != "none")
    except ChangeRefused as error:
        _end(str(error))


def _end(message: str) -> NoReturn:
    typer.echo(f"firebreak: {message}", err=True)
    raise typer.Exit(1)
