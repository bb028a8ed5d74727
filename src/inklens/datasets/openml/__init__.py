"""Data sets of OpenML: `client` finds, `download` fetches, `arff` reads, `cache` keeps, `catalogue` names."""
