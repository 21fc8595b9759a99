//! Faults inside your own service: a tower layer and a macro.
#![doc = include_str!("../README.md")]

mod call;
#[cfg(any(test, feature = "active", feature = "http"))]
#[cfg_attr(
    not(any(test, feature = "active")),
    allow(dead_code, reason = "nothing is decided when it is compiled out")
)]
mod chance;
#[cfg(not(feature = "active"))]
mod compiled_out;
#[cfg(any(test, feature = "active"))]
mod faults;
mod injected;
#[cfg(any(test, feature = "active"))]
mod layer;
mod plan;
#[cfg(any(test, feature = "switch"))]
mod switch;
mod text;

#[cfg(any(test, feature = "http"))]
pub use call::Headers;
pub use call::{Blind, Call, Reads};
#[cfg(not(feature = "active"))]
pub use compiled_out::{FaultLayer, Faults};
#[cfg(feature = "active")]
pub use faults::Faults;
pub use injected::{Injected, Report};
#[cfg(feature = "active")]
pub use layer::{FaultFuture, FaultLayer, FaultService};
pub use plan::{Action, Plan};
pub use text::PlanError;

/// A point in async code where a fault may strike: `fault_point!(faults, "store.write")?`.
///
/// Waits where the fault wants to, without keeping a thread, and is a `Result<(),
/// Injected>`. Without the feature `active` it is `Ok(())` and nothing else: neither
/// of its arguments is looked at, and it stands where nothing can be computed:
///
/// ```
/// # use squall_fault_layer::{Faults, fault_point};
/// # #[cfg(not(feature = "active"))]
/// const NOTHING: bool = fault_point!(Faults::new(1), "store.write").is_ok();
/// ```
#[cfg(feature = "active")]
#[macro_export]
macro_rules! fault_point {
    ($faults:expr, $point:expr $(,)?) => {
        $crate::Faults::at(&$faults, $point).await
    };
}

/// A point in async code where a fault may strike: `fault_point!(faults, "store.write")?`.
///
/// Without the feature `active` it is `Ok(())` and nothing else: neither of its
/// arguments is looked at, and it stands where nothing can be computed:
///
/// ```
/// # use squall_fault_layer::{Faults, fault_point};
/// # #[cfg(not(feature = "active"))]
/// const NOTHING: bool = fault_point!(Faults::new(1), "store.write").is_ok();
/// ```
#[cfg(not(feature = "active"))]
#[macro_export]
macro_rules! fault_point {
    ($faults:expr, $point:expr $(,)?) => {{
        // Never called; what is named here counts as used.
        let _ = || {
            let _ = (&$faults, &$point);
        };
        ::core::result::Result::<(), $crate::Injected>::Ok(())
    }};
}
