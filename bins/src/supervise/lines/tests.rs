//! What the lines say.
