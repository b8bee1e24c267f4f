"""A PostgreSQL and an MQTT broker for a machine that has neither; both end with the command that started them."""

from cli.embedded.broker import EmbeddedBroker
from cli.embedded.guarded import DataFolderInUseError
from cli.embedded.postgres import EmbeddedPostgres

__all__ = ["DataFolderInUseError", "EmbeddedBroker", "EmbeddedPostgres"]
