//! YAML text → tree with positions.
