"""Everything that can go wrong, split by what the caller should do about it.

A bad payload is not here: it is data, counted and kept with its reason (`core.message.Rejected`).
"""


class CityVigilError(Exception):
    """City Vigil failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class TransientError(CityVigilError):
    """Something outside is away for now; the same call may succeed later."""


class PermanentError(CityVigilError):
    """The same call will fail again; a person or another input is needed."""


class StoreUnavailableError(TransientError):
    """The database cannot be reached, or it ended the connection."""


class BrokerUnavailableError(TransientError):
    """The MQTT broker cannot be reached, or it refused the session."""


class SettingsError(PermanentError):
    """A setting is missing, unknown or out of range."""


class SchemaError(PermanentError):
    """The database's schema is not the one that this version works on."""


class StoreError(PermanentError):
    """The database refused a statement."""


class UnitError(PermanentError):
    """A unit is not UCUM, or cannot be converted into the one that is wanted."""


class InputFileError(PermanentError):
    """A file given on the command line cannot be used.

    Parameters
    ----------
    path
        The file, as the user named it.
    line
        One-based line of the fault; None when the file as a whole is meant.
    reason
        What is wrong with it, in plain words.
    """

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {reason}")

    def __reduce__(self) -> tuple[type["InputFileError"], tuple[str, int | None, str]]:
        """Travel between processes as what it was made of: an exception is else remade from its sentence alone."""
        return type(self), (self.path, self.line, self.reason)
