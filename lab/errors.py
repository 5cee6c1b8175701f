"""The error that a person reads instead of a traceback."""


class LabError(Exception):
    """Something the user can do something about; the text says what."""
