"""`python -m onetape` is the command."""

from onetape.cli.main import main

main()
