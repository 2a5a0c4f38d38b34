"""The program channel: search for programs of a grid language that reproduce the demonstrations. No torch."""
