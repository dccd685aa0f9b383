//! Tests of reading and writing instants.
