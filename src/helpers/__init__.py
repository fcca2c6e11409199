"""The Congress Test: an open replication of the 2018 audit of face recognition."""
