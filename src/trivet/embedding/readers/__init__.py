"""Readers: a checkpoint folder of one layout becomes an `EncoderSpec`."""
