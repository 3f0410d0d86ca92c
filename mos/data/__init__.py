"""Reading a dataset file and turning its cases into batches."""
