"""The command diana-cli."""

from diana_cli.app import cli


def main() -> None:
    """Run the command line; leaves with the status it calls for."""
    cli(prog_name="diana-cli")


if __name__ == "__main__":
    main()
