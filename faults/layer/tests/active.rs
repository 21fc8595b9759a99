//! What users of the feature `active` see; how it strikes is tested in the crate.
#![cfg(feature = "active")]

use squall_fault_layer::{Faults, Plan, fault_point};

#[tokio::test]
async fn the_macro_meets_the_fault_of_its_point() {
    let faults = Faults::new(1);
    faults.set("here", Plan::error("full"));
    let met = fault_point!(faults, "here").unwrap_err();
    assert_eq!((met.point(), met.message()), ("here", Some("full")));
    fault_point!(faults, "elsewhere").unwrap();
    assert_eq!(faults.clear("here").unwrap().struck, 1);
    fault_point!(faults, "here").unwrap();
}
