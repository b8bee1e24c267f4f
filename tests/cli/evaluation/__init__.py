"""Tests of the measures of detection."""
