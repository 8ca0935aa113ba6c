"""`python -m headwater` is the `headwater` command."""

from headwater.cli.main import app

app(prog_name="headwater")
