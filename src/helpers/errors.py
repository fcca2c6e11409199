"""The one kind of error that is shown to a user as a sentence, without a traceback."""


class UserError(Exception):
    """A problem the user can mend; its message says how."""
