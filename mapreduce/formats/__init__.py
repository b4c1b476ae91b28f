"""Read each format of input (text, compressed text, Parquet) as blocks of whole lines."""
