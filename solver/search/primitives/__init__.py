"""The grid language: pure, total functions over images and lists of images."""
