//! The data the backend is born with: 15 000 titles, 10 000 profiles, popularity by country.
//!
//! Everything follows from one seed. It is made once, kept as a file and loaded by the store when
//! it starts with an empty directory.

pub(crate) mod country;
pub(crate) mod file;
pub(crate) mod generate;
pub(crate) mod model;
pub(crate) mod seed;
