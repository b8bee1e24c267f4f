"""What every decoder is."""

from typing import Protocol

from core.message import Decoded, Message, Rejected


class Decoder(Protocol):
    """Reads one wire format; knows no database, no clock and no other message.

    Attributes
    ----------
    name
        The feed's name in accounts, metrics and logs; never changes once released.
    """

    name: str

    def claims(self, topic: str) -> bool:
        """Tell whether the topic announces this format; looks at its beginning only."""
        ...

    def decode(self, message: Message) -> Decoded | Rejected:
        """Read a message whose topic this decoder claims.

        Pure: the same message gives the same answer. Raises nothing, whatever the bytes. Time and memory are
        linear in the payload, which the caller has bounded.
        """
        ...
