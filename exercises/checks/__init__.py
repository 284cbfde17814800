"""How answers are graded, one file for each paper."""
