"""Which part of test-time training gives what: the rows of Akyürek et al. 2024, with any base and any tasks."""
