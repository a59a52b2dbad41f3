"""The report on result files of attnbench: one module, one thing; __main__ puts them together."""
