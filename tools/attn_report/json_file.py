"""JSON from a file, with text that can be written anywhere."""

import json
import re

from .errors import BadInput

# Half of a surrogate pair is no character, and no encoding has it. Of the control characters a terminal obeys some;
# lines and tabs are meant.
UNWRITABLE = re.compile("[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]")


def parse_json(path):
    def no_number(word):
        raise ValueError(f"{word} is not valid JSON")

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return writable(json.loads(text, parse_constant=no_number))
    except json.JSONDecodeError as error:
        if text.strip() and error.pos >= len(text.rstrip()) - 1:
            raise BadInput(f"{path}: ends in the middle, in line {error.lineno}: a truncated copy? attnbench leaves "
                           "its files whole after every row") from error
        raise BadInput(f"{path}: not JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from error


def writable(value):
    """The value, with a replacement character for what cannot be written or should not be."""
    if isinstance(value, str):
        return UNWRITABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return list(map(writable, value))
    if isinstance(value, dict):
        return {writable(key): writable(item) for key, item in value.items()}
    return value
