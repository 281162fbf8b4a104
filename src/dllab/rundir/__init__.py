"""One folder per run: what it holds, how it is found, listed and compared."""
