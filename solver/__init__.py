"""A competition kit for the Abstraction and Reasoning Corpus: test-time training, augmented inference, voting."""
