//! Command line of the model: evaluate, encode, train.
fn main() {}
