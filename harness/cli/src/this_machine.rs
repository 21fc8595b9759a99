//! What the machine that squall runs on can do.

use squall_faults::machine::{Machine, Standing};
use squall_scenario::{FaultSpec, Scenario};

/// What this program is called with to be a guardian.
pub const GUARDIAN: &str = "guardian";

/// The machine that squall runs on.
pub fn machine() -> Machine {
    Machine {
        guardian: vec![GUARDIAN.into()],
    }
}

/// Whether this machine can do every fault of a scenario; otherwise why not, and
/// what somebody could do about it.
pub fn can_inject(scenario: &Scenario) -> Result<(), String> {
    let faults = &scenario.faults;
    let keywords: Vec<_> = faults.iter().map(|fault| fault.inject.keyword()).collect();
    for ability in machine().missing_for(&keywords) {
        let Standing::Missing { why, help } = &ability.standing else {
            continue;
        };
        let needs = |fault: &&FaultSpec| ability.faults.contains(&fault.inject.keyword());
        let fault = faults.iter().find(needs).map(|fault| &fault.name.value);
        let fault = fault.map_or_else(String::new, |name| format!("fault {name:?} "));
        let name = ability.name;
        return Err(format!(
            "{fault}cannot be injected here, it needs {name}: {why}; {help}"
        ));
    }
    Ok(())
}
