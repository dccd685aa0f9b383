//! What is special about a server: sessions, tables that others made, and that it can be away.
