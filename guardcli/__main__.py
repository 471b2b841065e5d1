"""`python -m guardcli` is `guard`."""

from guardcli.cli import main

main()
