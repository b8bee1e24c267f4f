"""Tests of incidents and messages."""
