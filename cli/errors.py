"""Errors that end a command with their text alone."""


class CliError(Exception):
    """What went wrong and the way out, in words for the person at the terminal."""
