//! Tests of the list in memory.
