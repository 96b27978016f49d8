"""Figures: how fast and how small, measured on the machine that asks (``./run bench NAME``)."""
