"""Data sets of OpenML: found by `client`, fetched by `download`, read by `arff`, kept by `cache`; `catalogue` has names."""
