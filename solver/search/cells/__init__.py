"""Rules for single cells, learned from the demonstrations: features, and small procedures over them that fit."""
