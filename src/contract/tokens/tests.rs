//! Tests of the token bodies.
