"""`python -m firebreak` is the command `firebreak`."""

from firebreak.cli.main import app

app()
