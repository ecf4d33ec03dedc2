"""The room where texts become representations."""
