"""What ends the program with a message instead of a report."""


class BadInput(Exception):
    """A file or an argument that cannot be used: what, where, and what would be valid. Exit code 2."""


class EnvironmentFault(Exception):
    """Something outside the project's reach, such as a disk that is full. Exit code 3."""
