"""The command line: program, executor, console, and what a task is run in."""
