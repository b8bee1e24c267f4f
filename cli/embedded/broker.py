"""The MQTT broker from the `iotcore` wheel (rumqttd), on this machine only."""

from pathlib import Path
from types import TracebackType
from typing import Self

from cli.embedded.guarded import Guard, GuardFailedError, start_guard, tail
from core.errors import BrokerUnavailableError

_START_S = 30.0
_STOP_S = 10.0


class EmbeddedBroker:
    """An MQTT 5 broker that runs as long as the `with` block, or as the process if that dies inside it.

    It listens on 127.0.0.1 alone, asks for no password, and keeps sessions and messages in memory: with the broker
    they are gone, and so are the oldest messages of a subscription that lags by more than 128 MiB. One command at a
    time uses a data folder.

    What rumqttd 0.20 does otherwise than MQTT 5 asks: 100 messages are in flight at most, whatever the client's
    receive maximum; acknowledgements must come in order; a redelivery carries no DUP flag; a subscription of QoS 1
    is sent 100 retained messages at most; client identifiers with `/`, `+`, `#` or `$` are not let in. Shared
    subscriptions with a kept session bring it down (`cli.embedded.broker_guard` notices); they need another broker.

    Parameters
    ----------
    data_dir
        Folder of the broker's configuration, log and lock; made when it is missing.
    port
        Port to listen on; 0 picks a free one.

    Raises
    ------
    DataFolderInUseError
        On entry, if another command uses the folder.
    BrokerUnavailableError
        On entry, if the broker does not start; with the end of its log.
    """

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self._data_dir = data_dir.absolute()
        self._wanted_port = port
        self._guard: Guard | None = None

    @property
    def log(self) -> Path:
        """File with what the broker says."""
        return self._data_dir / "broker.log"

    @property
    def host(self) -> str:
        """Address that the broker listens on."""
        return str(self._running().facts["host"])

    @property
    def port(self) -> int:
        """Port that the broker listens on."""
        return int(self._running().facts["port"])

    @property
    def guard_pid(self) -> int:
        """Process id of the guard, which is the broker's too."""
        return self._running().process.pid

    def check(self) -> None:
        """Say so if the broker has ended on its own.

        Raises
        ------
        BrokerUnavailableError
            If it has; with the end of its log.
        """
        if self._running().process.poll() is not None:
            raise BrokerUnavailableError(f"the embedded broker ended; the end of {self.log}:\n{tail(self.log)}")

    def _running(self) -> Guard:
        if self._guard is None:
            raise BrokerUnavailableError("the embedded broker is not running")
        return self._guard

    def __enter__(self) -> Self:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            arguments = [str(self._data_dir), str(self._wanted_port)]
            self._guard = start_guard("cli.embedded.broker_guard", arguments, self.log, _START_S)
        except (GuardFailedError, OSError) as exc:
            raise BrokerUnavailableError(f"the embedded broker did not start: {exc}") from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.stop(_STOP_S)
