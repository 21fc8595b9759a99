//! What stands for `crate::sync` of the library: types that loom runs in every order.

pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
pub(crate) use loom::thread::{ThreadId, current as current_thread};
pub(crate) use std::sync::PoisonError;
