"""`python -m edgekit`, where the command itself is not on the path."""

from edgekit.cli import main

if __name__ == "__main__":
    main()
