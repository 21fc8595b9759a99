//! What the code that works without locks is built of; a test that tries every interleaving
//! compiles that code with another module of this name.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub(crate) use std::thread::{ThreadId, current as current_thread};
