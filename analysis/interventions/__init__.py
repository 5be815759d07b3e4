"""What changes if part of a run is silenced, evicted, patched or rounded -> arrays."""
