"""The words that every room shares: value types, settings, errors, clock, units and QARTOD tests."""
