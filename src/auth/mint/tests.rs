//! Tests of the signer.
