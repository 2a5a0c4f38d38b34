"""Program channel, second half: Python programs that a language model writes, run where they can do no harm."""
