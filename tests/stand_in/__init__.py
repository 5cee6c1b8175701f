"""What stands in for a program that a test machine can't run."""
