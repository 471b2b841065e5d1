"""`python -m guardcli` is `guard`."""

from guardcli.cli.main import main

main()
