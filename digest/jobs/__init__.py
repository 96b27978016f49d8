"""Hints that there is work. Rows are the truth: a lost hint is found by a sweep."""
