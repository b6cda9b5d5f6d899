"""What is trained, and how: each module has a function `recipe`."""
