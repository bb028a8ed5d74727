"""Homework: two digits of one's own with seven deliverables each, in one file that a teacher recomputes."""
