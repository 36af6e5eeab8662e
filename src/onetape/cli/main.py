"""The command line's entry point."""


def main() -> None:
    print("onetape")
