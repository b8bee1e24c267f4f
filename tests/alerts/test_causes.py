import pytest

from alerts.causes import likely_cause

HIGH, LOW, INSIDE = 1, -1, 0


@pytest.mark.parametrize(
    ("kind", "directions", "word"),
    [
        ("dma", {"flow": HIGH, "pressure_4": LOW}, "burst"),
        ("dma", {"flow": HIGH, "pressure_4": INSIDE}, "unusual demand"),
        ("dma", {"flow": LOW}, "valve"),
        ("dma", {"flow": INSIDE, "pressure_1": LOW}, "loss of pressure"),
        ("dma", {"pressure_1": HIGH}, "regulator"),
        ("tank", {"level": LOW}, "leak"),
        ("tank", {"level": HIGH}, "does not stop"),
        ("lamp", {"active_power": LOW}, "out"),
        ("lamp", {"active_power": HIGH}, "by day"),
        ("feeder", {"voltage": LOW, "active_power": LOW, "current": LOW}, "lost its supply"),
        ("feeder", {"voltage": LOW, "active_power": INSIDE}, "without supply"),
        ("feeder", {"voltage": LOW}, "grid does not hold"),
        ("feeder", {"voltage": INSIDE, "active_power": LOW}, "lamps that are out"),
        ("feeder", {"voltage": INSIDE, "active_power": HIGH}, "lamps that burn"),
        ("feeder", {"voltage": HIGH}, "grid"),
        ("vehicle", {"schedule_offset": LOW, "speed": LOW}, "breakdown"),
        ("vehicle", {"schedule_offset": LOW, "speed": INSIDE}, "delay"),
        ("vehicle", {"schedule_offset": LOW}, "delay"),
        ("vehicle", {"schedule_offset": HIGH}, "ahead"),
        ("vehicle", {"occupancy": HIGH}, "crowding"),
    ],
)
def test_signals_point_to_a_cause(kind: str, directions: dict[str, int], word: str) -> None:
    cause = likely_cause(kind, directions)
    assert cause is not None
    assert word in cause


@pytest.mark.parametrize(("kind", "directions"), [("dma", {}), ("dma", {"flow": INSIDE}), ("elevator", {"speed": LOW})])
def test_without_a_rule_no_cause_is_claimed(kind: str, directions: dict[str, int]) -> None:
    assert likely_cause(kind, directions) is None
