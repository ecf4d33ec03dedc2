"""The room of the maps between the spaces of two embedding models; still empty."""
