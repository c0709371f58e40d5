"""Which commands are there? `firebreak run` and `firebreak responder` are the cluster's, the rest is `kubectl firebreak`.

Everything heavy is imported when its command runs: `kubectl firebreak status` must not wait for Kopf and numpy.
"""

from importlib.metadata import version as installed_version

import typer

from firebreak.cli import backtest, control, look, say
from firebreak.cli.drill import drill

app = typer.Typer(
    name="firebreak",
    help="Contains AI incidents: see what is wrong, what was done about it and why, and say what is to happen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (look.status, look.incidents, look.explain):
    app.command(rich_help_panel="Look")(command)
for verb in (say.declare, say.ack, say.contain, say.approve, say.release, say.resolve):
    app.command(rich_help_panel="Say what is to happen in an incident")(verb)
app.command(rich_help_panel="Rehearse")(drill)
for switch in (control.pause, control.resume):
    app.command(rich_help_panel="Stop everything")(switch)
app.command(rich_help_panel="Say what is to happen everywhere")(control.confirm)
app.command(rich_help_panel="Try it on history")(backtest.backtest)


@app.command(rich_help_panel="Run in the cluster")
def run() -> None:
    """Run the operator; its settings come from the environment, as the chart sets it."""
    from firebreak.app.main import main

    main()


@app.command(rich_help_panel="Run in the cluster")
def responder() -> None:
    """Run the process that serves static fallbacks."""
    from firebreak.responder.main import main

    main()


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("firebreak"))
