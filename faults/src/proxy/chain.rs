//! The one engine that carries out fates: an ordered chain of toxics on one
//! direction of one connection.
/// Placeholder for the next commit.
#[derive(Debug)]
pub struct Chain;
/// Placeholder for the next commit.
#[derive(Debug)]
pub struct End;
/// Placeholder for the next commit.
#[derive(Debug)]
pub struct Output;
