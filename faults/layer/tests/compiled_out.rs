//! Without the feature `active` nothing is left of the faults.
#![cfg(not(feature = "active"))]

use squall_fault_layer::{FaultLayer, Faults, Injected, Plan, fault_point};
use tower::{Layer, Service, ServiceExt};

/// Not `const`: naming it in a constant compiles only where it is not called.
fn never() -> Faults {
    panic!("an argument was looked at")
}

fn nowhere() -> &'static str {
    panic!("an argument was looked at")
}

/// What a constant is made of costs nothing when the program runs.
const POINT: Result<(), Injected> = fault_point!(never(), nowhere());

#[test]
fn a_point_is_a_constant() {
    assert!(POINT.is_ok());
    // Not async: there is nothing to wait for.
    assert!(fault_point!(never(), nowhere()).is_ok());
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Plain;

impl Service<u64> for Plain {
    type Response = u64;
    type Error = Injected;
    type Future = std::future::Ready<Result<u64, Injected>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Injected>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        std::future::ready(Ok(n + 1))
    }
}

#[tokio::test]
async fn a_layer_gives_the_service_back_and_nothing_strikes() {
    let faults = Faults::parse(1, "no plan at all").unwrap();
    faults.set("point", Plan::hang());
    let layer = FaultLayer::new(&faults, "point", Err::<u64, Injected>);
    assert_eq!(size_of_val(&layer) + size_of_val(&faults), 0);
    let same: Plain = layer.layer(Plain);
    assert_eq!(same.oneshot(1).await.unwrap(), 2);
    faults.at("point").await.unwrap();
    assert_eq!((faults.reports(), faults.clear("point")), (vec![], None));
}
