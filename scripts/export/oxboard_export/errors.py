class ExportError(Exception):
    """A refusal that a person can act on; its text is the whole message."""
