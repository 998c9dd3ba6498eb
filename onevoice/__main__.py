"""``python -m onevoice`` is the ``onevoice`` command."""

from onevoice.cli.app import main

if __name__ == "__main__":
    main()
