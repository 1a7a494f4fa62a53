"""Compares answers of two engines: values, not how their drivers write them."""

import datetime
import decimal
import math


def comparable(value):
    """Numbers of any type by their value, dates without a time, anything else as its text without blanks at the end."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        return float(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).rstrip()


def is_same(left, right):
    left, right = comparable(left), comparable(right)
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-6) or (math.isnan(left) and math.isnan(right))
    return left == right


def assert_same_rows(actual, expected):
    assert len(actual) == len(expected)
    for actual_row, expected_row in zip(actual, expected, strict=True):
        assert len(actual_row) == len(expected_row)
        assert all(map(is_same, actual_row, expected_row)), (actual_row, expected_row)
