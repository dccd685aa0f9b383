//! Tests of reading and writing JSON.
