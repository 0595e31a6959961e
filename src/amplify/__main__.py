"""`python -m amplify`."""

from amplify.cli import main

main()
