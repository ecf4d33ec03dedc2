"""The rooms that know all the others."""
