"""`python -m chappe` is the `chappe` command."""

from chappe.cli import main

main()
