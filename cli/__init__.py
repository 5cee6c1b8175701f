"""What `make` calls: the program, run for one stack, from its configuration to a running pod."""
