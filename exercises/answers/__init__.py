"""Worked answers, one file per paper."""
