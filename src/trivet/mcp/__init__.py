"""An index as a server of the Model Context Protocol: the tools `search` and `fetch`."""
