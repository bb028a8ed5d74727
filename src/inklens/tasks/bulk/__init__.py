"""Millions of pictures into one table: found, planned in batches, read on a cluster, kept as Parquet."""
