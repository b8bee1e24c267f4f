"""Labels of simulated faults in the database, for whoever compares them with what was found."""

from collections.abc import Sequence

from core.errors import SchemaError, StoreUnavailableError
from core.settings import Settings
from simulators.city import City
from simulators.departments import affected_assets
from simulators.fault import Fault
from store.database import Connection, connect
from store.labels import FaultLabel, add_fault_labels
from store.migrate import check_schema


def label_of(city: City, fault: Fault) -> FaultLabel:
    """Return what is recorded of a fault."""
    kind = fault.kind
    affected = list(affected_assets(city, fault))
    return FaultLabel(
        kind.value, kind.is_planned, fault.asset, affected, fault.start, fault.end, fault.magnitude, kind.effect
    )


def store_labels(connection: Connection, city: City, faults: Sequence[Fault]) -> int:
    """Record what a simulation breaks; return how many faults were new."""
    return add_fault_labels(connection, [label_of(city, fault) for fault in faults])


def store_labels_if_reachable(settings: Settings, city: City, faults: Sequence[Fault]) -> bool:
    """Record what a simulation breaks, where a database of this version is set or running; return whether one was.

    A simulation publishes to a broker and needs no database: its label file says the same.
    """
    if settings.database_url is None or not faults:
        return False
    try:
        with connect(settings.database_url.get_secret_value(), "simulate") as connection:
            check_schema(connection)
            store_labels(connection, city, faults)
    except (StoreUnavailableError, SchemaError):
        return False
    return True
