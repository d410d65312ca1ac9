//! Applying a plan: to the running kernel, or to a directory.
