"""How the service is: the city's clock, the feeds' accounts, the engine, the outbox."""

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter

from api.context import Context, Here, Store
from api.models import CityModel, ClockModel, EngineModel, FeedModel, OutboxModel, StatusModel
from core.asset import Domain
from store.accounts import FeedAccount, feed_accounts
from store.incidents import outbox_counts, unended_by_domain
from store.overview import registry_counts
from store.status import EngineState, engine_state

router = APIRouter(tags=["status"])


@router.get("/city", summary="Time zone, country and clock")
def read_city(context: Here) -> CityModel:
    """Return where and when this is; needs no database."""
    settings = context.settings
    return CityModel(time_zone=settings.time_zone, country=settings.country, clock=_clock(context))


@router.get("/status", summary="Accounts, lag, counts and model ages")
def read_status(store: Store, context: Here) -> StatusModel:
    """Return how everything is."""
    clock = _clock(context)
    counts = registry_counts(store)
    unended = unended_by_domain(store)
    return StatusModel(
        clock=clock,
        assets=counts.assets,
        series=counts.series,
        incidents_open={domain: unended.get(domain, 0) for domain in Domain},
        feeds=[_feed(account, clock.now) for account in feed_accounts(store)],
        engine=_engine(engine_state(store), clock.now),
        outbox=[OutboxModel.model_validate(count) for count in outbox_counts(store)],
    )


def _clock(context: Context) -> ClockModel:
    return ClockModel(now=context.clock.now(), simulated=context.simulated, speed=context.speed)


def seconds_since(time: datetime | None, now: datetime) -> float | None:
    """Return the seconds from `time` to `now`, 0 if it lies ahead; None if there is no time."""
    return None if time is None else max(0.0, (now - time).total_seconds())


def _feed(account: FeedAccount, now: datetime) -> FeedModel:
    taken = account.accepted + account.without_reading
    left = account.rejected + account.stale_retained + account.quarantined
    read = account.stored + account.duplicate + account.conflict
    return FeedModel(
        **asdict(account),
        silent_for_s=seconds_since(account.latest_arrival_at, now),
        closes=account.received == taken + left and account.decoded == read,
    )


def _engine(state: EngineState, now: datetime) -> EngineModel:
    return EngineModel(
        **asdict(state),
        lag_s=seconds_since(state.judged_until, now),
        model_age_s=seconds_since(state.oldest_training, now),
    )
