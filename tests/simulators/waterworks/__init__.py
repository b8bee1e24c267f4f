"""Tests of the water department."""
