"""A model of pictures and what is known of it: the coefficients, the records of fit and data, the file.

Begin with `linear_model`: all that explanations and evaluation need. `records` parses what the header of a file says,
once, so that nobody above reads a dictionary; `file` and `schema` are the container and what may be in it;
`estimators`, `scaling` and `stretched` bring fits on other scales back to plain ink. Nothing here knows photos.
"""
