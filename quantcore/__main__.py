"""``python -m quantcore``: the command line."""

from quantcore.cli import main

main()
